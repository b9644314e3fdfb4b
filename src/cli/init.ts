/** What the commands `vpnr init ...` share. */
import { join } from 'node:path';
import { Flags } from '@oclif/core';
import type * as z from 'zod';
import { identity } from '../config/values.js';
import { type NewFile, writeFiles } from '../init/files.js';
import { localAddresses } from '../init/machine.js';
import { invitationFile } from '../init/server-files.js';
import { complaintOf, type Questions } from './questions.js';

export const initFlags = {
  dir: Flags.string({ default: '.', helpValue: 'FOLDER', description: 'where the files are written' }),
  force: Flags.boolean({ description: 'replace files that are there already' }),
};

/** Of those who have clients. */
export const clientFlag = Flags.string({
  multiple: true,
  helpValue: 'NAME',
  description: 'a client; client1 unless given',
});

export function askClients(questions: Questions, given: readonly string[] | undefined): Promise<string[]> {
  return questions.askList(given, {
    flag: '--client',
    text: 'What the clients are called',
    usual: 'client1',
    complaint: complaintOf(identity),
  });
}

/** Asks for the machine's address; usually the first that it has. */
export function askAddress(
  questions: Questions,
  given: string | undefined,
  text: string,
  schema: z.ZodType,
): Promise<string> {
  const [first] = localAddresses();
  return questions.ask(given, {
    flag: '--address',
    text,
    ...(first && { usual: first.address }),
    complaint: complaintOf(schema),
  });
}

/** Asks for the networks behind the machine; usually those that its address is not in. */
export function askNetworks(
  questions: Questions,
  given: readonly string[] | undefined,
  text: string,
  address: string,
  schema: z.ZodType,
): Promise<string[]> {
  const inner = localAddresses().filter(entry => entry.address !== address);
  const usual = inner.map(({ network }) => network).join(' ');
  return questions.askList(given, {
    flag: '--network',
    text,
    ...(usual !== '' && { usual }),
    complaint: complaintOf(schema),
  });
}

/** What is to be done with the invitations that a machine called `from` has written. */
export function inviting(clients: readonly string[], from: string): string[] {
  return clients.flatMap(client => {
    const file = invitationFile(client, from);
    return [
      `Bring ${file} to ${client} by a safe way (scp); there, with its other invitations:`,
      `  vpnr init client --invitation ${file}`,
    ];
  });
}

export interface InitResult {
  /** Paths of the files, and the commands that come next. */
  files: string[];
  next: string[];
}

/** Writes the files and tells of them. */
export async function carryOutInit(
  files: readonly NewFile[],
  { dir, force }: { dir: string; force: boolean },
  next: readonly string[],
  log: (line: string) => void,
): Promise<InitResult> {
  await writeFiles(files, { folder: dir, force });
  for (const { name, isSecret } of files) log(`wrote ${join(dir, name)}${isSecret ? '    (secret)' : ''}`);
  log('');
  for (const line of next) log(line);
  return {
    files: files.map(({ name }) => join(dir, name)),
    next: next.filter(line => line.startsWith('  ')).map(line => line.trim()),
  };
}
