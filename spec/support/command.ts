/** Commands of this checkout as processes, to their end. */
import { spawnSync } from 'node:child_process'
import { root } from '../rooms/rooms.ts'
import { started } from './built.ts'

export interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const said = (words: ReadonlyArray<string>): Said => {
  const done = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

/** Runs a program, by its path from the checkout. */
export const node = (...words: ReadonlyArray<string>): Said => said(started(words))

/** The same as one types it in a checkout. */
export const tsx = (...words: ReadonlyArray<string>): Said => said(['--import', 'tsx', ...words])

/** `dinograph COMMAND …` */
export const dinograph = (...words: ReadonlyArray<string>): Said => node('train/cli/dinograph.ts', ...words)
