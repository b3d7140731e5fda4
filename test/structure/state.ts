import ts from 'typescript';
import { parse, walk } from './sources.js';

const MUTABLE_CLASSES = ['Map', 'Set', 'Array'];

/** Takes off `(x)`, `x satisfies T` and `x as T`, but not `x as const`, which is what makes a literal read-only. */
function bare(node: ts.Expression): ts.Expression {
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node)) return bare(node.expression);
  if (ts.isAsExpression(node) && node.type.getText() !== 'const') return bare(node.expression);
  return node;
}

const isReadonlyType = (type: ts.TypeNode | undefined): boolean =>
  /^(readonly\b|Readonly(Array|Map|Set)?<)/.test(type?.getText() ?? '');

/** `const codec: Codec = {…}`: one of several ways to do a thing, whose interface says what is read-only. */
const isImplementation = (type: ts.TypeNode | undefined, value: ts.Expression | undefined): boolean =>
  value !== undefined && ts.isObjectLiteralExpression(value) && /^[A-Z]\w+$/.test(type?.getText() ?? '');

function isContainer(value: ts.Expression | undefined): boolean {
  if (!value) return false;
  const node = bare(value);
  if (ts.isNewExpression(node)) return MUTABLE_CLASSES.includes(node.expression.getText());
  return ts.isArrayLiteralExpression(node) || ts.isObjectLiteralExpression(node);
}

/** A container that is empty is there to be filled: state, however it is typed. */
function isEmptyContainer(value: ts.Expression | undefined): boolean {
  if (!value) return false;
  const node = bare(value);
  if (ts.isNewExpression(node)) return isContainer(node) && (node.arguments ?? []).length === 0;
  if (ts.isArrayLiteralExpression(node)) return node.elements.length === 0;
  return ts.isObjectLiteralExpression(node) && node.properties.length === 0;
}

const hasModifier = (node: ts.HasModifiers, kind: ts.SyntaxKind): boolean =>
  ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false;

/**
 * What a module of lib keeps between two applications in one process: variables that can be assigned anew, containers
 * that are exported without being read-only, containers that begin empty, statics of a class. (A WeakMap keyed by a
 * user's own object shares nothing.)
 */
export function moduleState(path: string, text: string): string[] {
  const found: string[] = [];
  const source = parse(path, text);
  const report = (node: ts.Node, what: string) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${path}:${line + 1} ${what}`);
  };
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    if (hasModifier(statement, ts.SyntaxKind.DeclareKeyword)) continue;
    const isExported = hasModifier(statement, ts.SyntaxKind.ExportKeyword);
    const isConst = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0;
    for (const { name, type, initializer } of statement.declarationList.declarations) {
      if (!isConst) report(name, `${name.getText()} can be assigned anew`);
      else if (isEmptyContainer(initializer)) report(name, `${name.getText()} is there to be filled`);
      else if (
        isExported &&
        isContainer(initializer) &&
        !isReadonlyType(type) &&
        !isImplementation(type, initializer)
      ) {
        report(name, `${name.getText()} is exported and can be changed`);
      }
    }
  }
  walk(source, (node) => {
    if (!ts.isPropertyDeclaration(node) || !hasModifier(node, ts.SyntaxKind.StaticKeyword)) return;
    const isReadonly = hasModifier(node, ts.SyntaxKind.ReadonlyKeyword);
    const isFixed = !isContainer(node.initializer) || isReadonlyType(node.type);
    if (!isReadonly || !isFixed || isEmptyContainer(node.initializer)) report(node, `static ${node.name.getText()}`);
  });
  return found;
}

const TRANSPORT_NAMES = [
  'websocket',
  'eventsource',
  'multipart',
  'htmlfile',
  'polling',
  'jsonp',
  'flashsocket',
  'webtransport',
];
const COMPARISONS = [
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.EqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsToken,
];
const LOOKUPS = ['includes', 'indexOf', 'has', 'startsWith'];

const isTransportName = (node: ts.Node | undefined): boolean =>
  node !== undefined && ts.isStringLiteralLike(node) && TRANSPORT_NAMES.includes(node.text);

/** Places that decide by the name of a transport: what differs belongs into its facts, and the choice into the registry. */
export function nameChecks(path: string, text: string): string[] {
  const found: string[] = [];
  const source = parse(path, text);
  walk(source, (node) => {
    const isCheck =
      (ts.isBinaryExpression(node) &&
        COMPARISONS.includes(node.operatorToken.kind) &&
        (isTransportName(node.left) || isTransportName(node.right))) ||
      (ts.isCaseClause(node) && isTransportName(node.expression)) ||
      (ts.isCallExpression(node) &&
        ts.isPropertyAccessExpression(node.expression) &&
        LOOKUPS.includes(node.expression.name.text) &&
        isTransportName(node.arguments[0]));
    if (!isCheck) return;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${path}:${line + 1} ${node.getText().split('\n')[0]}`);
  });
  return found;
}
