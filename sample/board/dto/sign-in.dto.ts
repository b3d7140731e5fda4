import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Matches, Max, Min } from 'class-validator';
import { LIMITS, PERSON_COLOURS } from '../limits.js';
import { PRINTABLE, trimmed } from './text.js';

/** What a page sends along when it connects: its `auth`. */
export class SignInDto {
  @Transform(trimmed)
  @IsString()
  @Length(1, LIMITS.name)
  @Matches(PRINTABLE, { message: 'name must not contain control characters' })
  name!: string;

  /** A secret the page made up. Only its hash is ever shown, so nobody else can undo this person's strokes. */
  @IsString()
  @Matches(/^[\w-]{22,64}$/, { message: 'key must be 22 to 64 characters of base64url' })
  key!: string;

  /** The colour this person had before a reconnect. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(PERSON_COLOURS - 1)
  colour?: number;
}
