import { IsNumber, IsOptional, Max, Min } from 'class-validator';

/** A client measures its round-trip time with the answer to this, and tells what it measured the time before. */
export class PulseDto {
  /** Milliseconds. */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(60_000)
  rtt?: number;
}
