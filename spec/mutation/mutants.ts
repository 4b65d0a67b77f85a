/** All mutants, and what they are looked up in. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../rooms/rooms.ts'
import type { Mutant } from './mutant.ts'
import { graphMutants } from './mutants/graphs.ts'
import { kernelMutants } from './mutants/kernels.ts'
import { nativeMutants } from './mutants/native.ts'

export const mutants: ReadonlyArray<Mutant> = [...graphMutants, ...kernelMutants, ...nativeMutants]

/** The compiler's files by path, the runtime in C too. */
export const compilerTexts = (): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(root, 'compiler'), { recursive: true, encoding: 'utf8' })
      .filter((p) => /\.(ts|c|h)$/.test(p))
      .map((p) => [`compiler/${p}`, readFileSync(join(root, 'compiler', p), 'utf8')] as const),
  )
