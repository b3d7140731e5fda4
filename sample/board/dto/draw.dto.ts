import { IsBoolean, IsIn, IsInt, IsOptional, Matches, Max, Min } from 'class-validator';
import { INKS, LIMITS, TOOLS } from '../limits.js';
import type { Ink, Tool } from '../board.types.js';
import { ArePoints, EndWithinStroke } from './are-points.js';

/** The next points of a stroke. */
export class DrawDto {
  @Matches(/^[a-z0-9]{4,16}$/, { message: 'id must be 4 to 16 lower-case letters or digits' })
  id!: string;

  @IsIn(TOOLS)
  tool!: Tool;

  @IsIn(INKS)
  ink!: Ink;

  /** Board units. */
  @IsInt()
  @Min(LIMITS.minWidth)
  @Max(LIMITS.maxWidth)
  width!: number;

  /** How many points of the stroke came before these: makes sending them again harmless. */
  @IsInt()
  @Min(0)
  @Max(LIMITS.strokePoints)
  from!: number;

  @ArePoints()
  @EndWithinStroke()
  points!: number[];

  /** True when the pen was lifted. */
  @IsOptional()
  @IsBoolean()
  end?: boolean;
}
