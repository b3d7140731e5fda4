import { IsInt, Max, Min } from 'class-validator';
import { LIMITS } from '../limits.js';

/** Where a pointer is, in board units. */
export class CursorDto {
  @IsInt()
  @Min(-LIMITS.coordinate)
  @Max(LIMITS.coordinate)
  x!: number;

  @IsInt()
  @Min(-LIMITS.coordinate)
  @Max(LIMITS.coordinate)
  y!: number;
}
