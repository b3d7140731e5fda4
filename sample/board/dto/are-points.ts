import { ValidateBy, type ValidationArguments } from 'class-validator';
import { LIMITS } from '../limits.js';

const inBounds = (value: unknown): boolean => Number.isInteger(value) && Math.abs(value as number) <= LIMITS.coordinate;

/** One loop over x0, y0, x1, y1, …: `@IsInt({ each: true })` and its like cost several a number. */
export function ArePoints(): PropertyDecorator {
  return ValidateBy({
    name: 'arePoints',
    validator: {
      validate: (value: unknown) =>
        Array.isArray(value) &&
        value.length >= 2 &&
        value.length <= 2 * LIMITS.batchPoints &&
        value.length % 2 === 0 &&
        value.every(inBounds),
      defaultMessage: () =>
        `points must be 1 to ${LIMITS.batchPoints} pairs of integers within ±${LIMITS.coordinate}, in one flat array`,
    },
  });
}

/** So that nothing that comes as far as the board makes a stroke too long. Stands beside `from`, where these points begin. */
export function EndWithinStroke(): PropertyDecorator {
  return ValidateBy({
    name: 'endWithinStroke',
    validator: {
      validate: (value: unknown, { object }: ValidationArguments) =>
        Array.isArray(value) && (object as { from: number }).from + value.length / 2 <= LIMITS.strokePoints,
      defaultMessage: () => `a stroke has at most ${LIMITS.strokePoints} points`,
    },
  });
}
