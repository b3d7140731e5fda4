import { IsIn } from 'class-validator';
import type { Reaction } from '../board.types.js';
import { REACTIONS } from '../limits.js';

export class ReactionDto {
  @IsIn(REACTIONS)
  reaction!: Reaction;
}
