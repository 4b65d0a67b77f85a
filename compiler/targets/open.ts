/** Targets by name. A target that cannot run says so; `auto` picks the fastest that works and says what it chose. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Device, Target } from '../target.ts'
import { gpujs } from './gpujs/device.ts'
import { native } from './native/device.ts'
import { reference } from './reference.ts'

const targets: ReadonlyArray<Target> = [reference, native, gpujs('webgpu'), gpujs('headlessgl'), gpujs('webasm'), gpujs('cpu')]

/** The names that `--target` takes. */
export const targetNames: ReadonlyArray<string> = ['auto', ...targets.map((t) => t.name)]

/** Drivers that compute on the processor: slower than WebAssembly there. */
const isSoftware = (d: Device): boolean => /llvmpipe|lavapipe|swiftshader|software|cpu/i.test(d.description)

const because = (why: string) => (d: Device): Device => ({ ...d, description: `${d.description} (auto: ${why})` })

const auto: TE.TaskEither<Fault, Device> = pipe(
  gpujs('webgpu').open,
  TE.chain((d) => {
    if (!isSoftware(d)) return TE.right(because('a graphics processor was found')(d))
    d.close()
    return TE.left(fault('target', { place: 'auto', found: d.description, allowed: 'a graphics processor', remedy: 'none needed' }))
  }),
  TE.orElse(() => pipe(gpujs('webasm').open, TE.map(because('no graphics processor was found')))),
)

/** Opens a target by its name. */
export const openTarget = (name: string): TE.TaskEither<Fault, Device> => {
  if (name === 'auto') return auto
  const found = targets.find((t) => t.name === name)
  return found !== undefined ? found.open
    : TE.left(fault('usage', { place: '--target', found: name, allowed: targetNames.join(', '), remedy: 'name one of these' }))
}
