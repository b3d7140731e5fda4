import { Transform } from 'class-transformer';
import { IsString, Length, Matches } from 'class-validator';
import { LIMITS } from '../limits.js';
import { PRINTABLE, trimmed } from './text.js';

/** A chat line, and the body of `POST /announce`. */
export class TextDto {
  @Transform(trimmed)
  @IsString()
  @Length(1, LIMITS.text)
  @Matches(PRINTABLE, { message: 'text must not contain control characters' })
  text!: string;
}
