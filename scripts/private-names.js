import ts from 'typescript';

/** Whether a member is for its own class alone, or for this package, it or all that it is a member of: `@package`. */
function isOurs(node) {
  if (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private) return true;
  // a parameter that is a property stands in the constructor
  const owner = ts.isParameter(node) ? node.parent.parent : node.parent;
  return [node, owner].some((it) => ts.getJSDocTags(it).some(({ tagName }) => tagName.text === 'package'));
}

/**
 * The names of private members and those of this package, as far as they mean nothing else: not in the sources that have them, by the judgement of
 * the type checker, and not by the letter in what ends up in the same file. Such a name can be replaced wherever it stands.
 *
 * @param {string[]} sources paths of all TypeScript files of a bundle
 * @param {string} others all other code that is in it
 * @returns {string[]}
 */
export function privateNames(sources, others) {
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: sources }, ts.sys, '.');
  const program = ts.createProgram(sources, options);
  const checker = program.getTypeChecker();
  /** By name, whether it was such a member wherever it was met. */
  const names = new Map();

  const meet = (name, symbol) => {
    names.set(name, Boolean(symbol?.declarations?.every(isOurs)) && names.get(name) !== false);
  };
  const visit = (node) => {
    if (ts.isStringLiteralLike(node)) {
      meet(node.text);
    } else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const { text } = node.propertyName ?? node.name;
      meet(text, checker.getTypeAtLocation(node.parent).getProperty(text));
    } else if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) {
      meet(node.name.text, checker.getSymbolsOfParameterPropertyDeclaration(node, node.name.text)[1]);
    } else if (ts.isPropertyAccessExpression(node) || ts.isClassElement(node) || ts.isTypeElement(node)) {
      if (node.name) meet(node.name.text, checker.getSymbolAtLocation(node.name));
    } else if (ts.isObjectLiteralElement(node) && node.name) {
      // what is made for somebody who knows its type
      meet(node.name.text, checker.getContextualType(node.parent)?.getProperty(node.name.text));
    }
    node.forEachChild(visit);
  };
  for (const path of sources) visit(program.getSourceFile(path));

  const words = new Set(others.match(/\w+/g));
  return [...names.keys()].filter((name) => names.get(name) && !words.has(name));
}
