import type { TransformFnParams } from 'class-transformer';

/** Anything but control characters and the ones that turn the direction of text around. */
export const PRINTABLE = /^[^\p{Cc}\p{Bidi_Control}]*$/u;

/** Removes the blanks around a text; anything else is left for the validator to refuse. */
export const trimmed = ({ value }: TransformFnParams): unknown => (typeof value === 'string' ? value.trim() : value);
