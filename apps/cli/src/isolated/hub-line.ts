/** The supervisor's end of the line to the process on the host. */
import type { Server } from 'node:net';
import { WeftError } from '@weft/kit';

/** Comes with the server of the way out. */
export interface FromHub {
  readonly type: 'hub';
  /** Where DNS questions are to be taken. */
  readonly dnsSocket: string;
}

export type ToHub = { readonly type: 'relaying' } | { readonly type: 'failed'; readonly message: string };

/** Hands the way out to the process on the host. @returns when it serves. */
export async function handOver(server: Server, dnsSocket: string): Promise<void> {
  const message: FromHub = { type: 'hub', dnsSocket };
  const gone = (): WeftError => new WeftError('WEFT_STOPPED', 'the process on the host has ended');
  let forget = (): void => {};
  await new Promise<void>((resolve, reject) => {
    const onAnswer = (answer: ToHub): void => {
      if (answer.type === 'relaying') resolve();
      else reject(new WeftError('WEFT_POD', `the way out of the mesh could not be opened: ${answer.message}`));
    };
    const onGone = (): void => reject(gone());
    process.on('message', onAnswer);
    process.on('disconnect', onGone);
    forget = () => process.off('message', onAnswer).off('disconnect', onGone);
    process.send?.(message, server, {}, (error) => error && reject(gone()));
  }).finally(() => forget());
  // The other process has it now; ours must not accept.
  server.close();
}
