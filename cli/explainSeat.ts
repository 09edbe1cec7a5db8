import { type LicenceClient, LicenceRefused, type SeatRequest } from '../client/licenceClient.ts';
import { explainedLines } from '../licence/explained.ts';
import { runStatus } from './runCommand.ts';

/** Prints what a check-out would be answered, and why. @returns 0 if it would be granted, or one of `runStatus` */
export async function explainSeat(client: LicenceClient, seat: SeatRequest, json: boolean): Promise<number> {
  try {
    const answer = await client.explain(seat);
    process.stdout.write(json ? `${JSON.stringify(answer, undefined, 2)}\n` : `${explainedLines(answer).join('\n')}\n`);
    return answer.granted ? 0 : runStatus.noSeat;
  } catch (error) {
    const isRefusal = error instanceof LicenceRefused && error.status < 500;
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`licence: ${isRefusal ? why : `cannot reach the licence server: ${why}`}\n`);
    return isRefusal ? 64 : runStatus.unreachable;
  }
}
