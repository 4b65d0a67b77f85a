/** Commands of this checkout as processes, to their end. */
import { spawnSync } from 'node:child_process'
import { root } from '../rooms/rooms.ts'

export interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a program, by its path from the checkout, under tsx. */
export const node = (...words: ReadonlyArray<string>): Said => {
  const done = spawnSync(process.execPath, ['--import', 'tsx', ...words], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

/** `dinograph COMMAND …` */
export const dinograph = (...words: ReadonlyArray<string>): Said => node('train/cli/dinograph.ts', ...words)
