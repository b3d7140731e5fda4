/*
 * The files in this folder are never run: `npm run typecheck` is their test. What must not compile stands below a
 * `@ts-expect-error`, which is an error itself when it does compile.
 */

/** Whether two types are the same, and not only assignable to each other: `any` equals nothing but itself. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `same<A, B>()` compiles when A and B are one type. */
export declare function same<A, B>(...no: Same<A, B> extends true ? [] : [never: 'not the same type']): void;

/** A value of a type. */
export declare function some<T>(): T;
