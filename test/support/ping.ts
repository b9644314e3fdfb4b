/** For ping: replies that a busy machine delays count too; it goes on until it has all of them, or gives up. */
export const PATIENT = ['-w', '10'];

/** The replies that ping has counted. While it waits for a late one it sends more, so there may be more than asked for. */
export function replies(printed: string): number {
  return Number(/(\d+) received/.exec(printed)?.[1]);
}
