/** The engines of all modes. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { type Fault, fault, messageOf } from '../../../core/fault.ts'
import type { Engine, Mode } from './engine.ts'

/**
 * Opens the engine of a mode. Each is loaded when it is asked for, as each needs something that others do not:
 * webgpu a driver, headlessgl the package gl. There is no fallback from one to another.
 */
export const openEngine = (mode: Mode): TaskEither<Fault, Engine> => {
  switch (mode) {
    case 'webgpu':
      return load(mode, async () => (await import('./webgpu.ts')).openWebgpu())
    case 'headlessgl':
      return load(mode, async () => (await import('./headlessgl.ts')).openHeadlessGl())
    case 'webasm':
      return load(mode, async () => TE.of((await import('./webasm.ts')).openWebasm()))
    case 'cpu':
      return load(mode, async () => TE.of((await import('./cpu.ts')).openCpu()))
  }
}

const load = (mode: Mode, open: () => Promise<TaskEither<Fault, Engine>>): TaskEither<Fault, Engine> =>
  TE.flatten(
    TE.tryCatch(open, (e) =>
      fault('target', {
        place: `gpu.js, ${mode}`,
        found: messageOf(e),
        allowed: 'gpu.js in the version that package.json pins, and what the mode needs',
        remedy: 'run npm install; the engine uses the inner files of exactly that version of gpu.js',
      }),
    ),
  )
