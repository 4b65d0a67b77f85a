/** The peak of this machine's cores as measured now, not as its papers say: `runtime/peak.c`, the best of many runs. */
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { findCompiler, runtimeLibrary } from '../../compiler/targets/native/compiler.ts'
import { openRuntime, peakOf } from '../../compiler/targets/native/library.ts'

/** Floating-point operations a second of `threads` threads, multiply-adds as two. */
export const measuredPeak =
  (threads: number): TaskEither<Fault, number> =>
  async () => {
    const compiler = await findCompiler()
    if ('_tag' in compiler) return E.left(compiler)
    const path = await runtimeLibrary(compiler)
    return typeof path === 'string' ? E.right(await peakOf(openRuntime(path), path, threads)) : E.left(path)
  }
