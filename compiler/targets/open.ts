/** Targets by name. A target that cannot run says so; `auto` picks the fastest that works and says what it chose and why. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import type { DistributionName } from '../distribute/strategy.ts'
import type { Device, Target } from '../target.ts'
import type { Mode } from './gpujs/engine.ts'
import type { TargetName } from './names.ts'
import { isTargetName, targetNames } from './names.ts'
import type { Platform } from './pjrt/accelerators.ts'
import type { Precision } from './pjrt/writer.ts'
import { platforms } from './pjrt/accelerators.ts'
import { installedPlugin } from './pjrt/plugin.ts'
import { reference } from './reference.ts'
import { mayHaveDriver } from './vulkan.ts'

export interface OpenOptions {
  /** Threads of the native target; all cores when not given. */
  readonly threads?: number
  /** How exactly the targets `pjrt:…` multiply f32; at the highest precision when not given. */
  readonly precision?: Precision
  /** Devices of the targets `pjrt:…` that share each batch, 0: all that are there, of `pjrt:cpu` one; and how. Default: one. */
  readonly devices?: number
  readonly strategy?: DistributionName
  /** Reports what is not as it should be, such as a damaged cache. */
  readonly say?: (text: string) => void
  /** Told of each target that `auto` asks, and why it is not taken. */
  readonly tried?: (text: string) => void
}

type Opening = TE.TaskEither<Fault, Device>

/** Drivers that compute on the processor: slower there than compiled C or WebAssembly. */
const isSoftware = (d: Device): boolean => /llvmpipe|lavapipe|swiftshader|software|cpu/i.test(d.description)

const because =
  (why: string) =>
  (d: Device): Device => ({ ...d, description: `${d.description} (auto: ${why})` })

const notTaken = (d: Device): Opening => {
  d.close()
  return TE.left(fault('target', { place: 'auto', found: d.description, allowed: 'a graphics processor', remedy: 'none needed' }))
}

const noDriver = fault('target', {
  place: 'auto',
  found: 'no Vulkan driver',
  allowed: 'a graphics processor with its driver',
  remedy: 'none needed',
})

/** Opens a target whose code, and the package it stands on, are loaded now. Fault: a package that is missing or does not load here. */
const loaded = (name: string, load: () => Promise<Target>): Opening =>
  pipe(
    TE.tryCatch(load, (e) =>
      fault('target', {
        place: name,
        found: messageOf(e),
        allowed: 'the package that this target stands on, installed for this system',
        remedy: 'install dependencies again, or choose another target',
      }),
    ),
    TE.chain((target) => target.open),
  )

const native = (o: OpenOptions): Opening => loaded('native', async () => (await import('./native/device.ts')).nativeWith(o))

const gpujs = (mode: Mode): Opening => loaded(`gpujs:${mode}`, async () => (await import('./gpujs/device.ts')).gpujs(mode))

const pjrt = (platform: Platform, o: OpenOptions): Opening =>
  loaded(`pjrt:${platform}`, async () => (await import('./pjrt/target.ts')).pjrt(platform, o))

/** Tells what came of a target. */
const told =
  ({ tried = () => undefined }: OpenOptions, name: string) =>
  (opening: Opening): Opening =>
    pipe(
      opening,
      TE.mapLeft((f) => {
        tried(`auto: ${name} is not taken: ${f.found.split('\n', 1)[0]}; it needs ${f.allowed}`)
        return f
      }),
      TE.map((d) => {
        tried(`auto: ${name} is taken: ${d.description}`)
        return d
      }),
    )

/** What runs where no plugin was installed: a graphics processor, else compiled C, else WebAssembly. */
const portable = (o: OpenOptions, also: string): Opening =>
  pipe(
    mayHaveDriver() ? gpujs('webgpu') : TE.left(noDriver),
    TE.chain((d) => (isSoftware(d) ? notTaken(d) : TE.right(because(`a graphics processor was found${also}`)(d)))),
    told(o, 'gpujs:webgpu'),
    TE.orElse(() => pipe(native(o), told(o, 'native'), TE.map(because(`no graphics processor was found, but a C compiler${also}`)))),
    TE.orElse((f) =>
      pipe(
        gpujs('webasm'),
        told(o, 'gpujs:webasm'),
        TE.map(because(`no graphics processor was found, and native does not run here: ${f.found.split('\n', 1)[0]}${also}`)),
      ),
    ),
  )

/** A GPU or TPU for which a user has installed a plugin, where it opens: nothing is installed unasked. CPUs stay with compiled C. */
const auto = (o: OpenOptions): Opening => {
  const platform = platforms.find((p) => p !== 'cpu' && installedPlugin(p) !== undefined)
  if (platform === undefined) {
    o.tried?.('auto: pjrt:… is not asked: no plugin for a GPU or TPU was installed')
    return portable(o, '')
  }
  return pipe(
    pjrt(platform, o),
    told(o, `pjrt:${platform}`),
    TE.map(because(`the plugin for ${platform} was installed, and its device opens`)),
    TE.orElse((f) => portable(o, `; pjrt:${platform} was installed and does not open: ${f.found.split('\n', 1)[0]}`)),
  )
}

/** Every name, and how it is opened. */
const targets: { readonly [N in TargetName]: (o: OpenOptions) => Opening } = {
  auto,
  reference: () => reference.open,
  native,
  'gpujs:webgpu': () => gpujs('webgpu'),
  'gpujs:headlessgl': () => gpujs('headlessgl'),
  'gpujs:webasm': () => gpujs('webasm'),
  'gpujs:cpu': () => gpujs('cpu'),
  'pjrt:cpu': (o) => pjrt('cpu', o),
  'pjrt:cuda': (o) => pjrt('cuda', o),
  'pjrt:rocm': (o) => pjrt('rocm', o),
  'pjrt:tpu': (o) => pjrt('tpu', o),
}

/** Opens a target by its name. Faults: an unknown name; threads, devices or a precision for a target that chooses its own. */
export const openTarget = (name: string, o: OpenOptions = {}): Opening => {
  if (!isTargetName(name))
    return TE.left(fault('usage', { place: '--target', found: name, allowed: targetNames.join(', '), remedy: 'name one of these' }))
  if (o.precision !== undefined && o.precision !== 'highest' && !name.startsWith('pjrt:'))
    return TE.left(
      fault('usage', {
        place: 'accelerator.precision',
        found: `${o.precision} for ${name}`,
        allowed: 'highest, but for the targets pjrt:…',
        remedy: 'name a target, such as --target pjrt:cuda, or leave precision at highest',
      }),
    )
  if (o.devices !== undefined && o.devices > 1 && !name.startsWith('pjrt:'))
    return TE.left(
      fault('usage', {
        place: 'accelerator.devices',
        found: `${o.devices} devices for ${name}`,
        allowed: 'one, but for the targets pjrt:…',
        remedy: 'name a target, such as --target pjrt:cuda; several processes of native are started with mpirun -n N',
      }),
    )
  return o.threads !== undefined && name !== 'native' && name !== 'auto'
    ? TE.left(
        fault('usage', {
          place: '--threads',
          found: `${o.threads} threads for ${name}`,
          allowed: 'a number of threads with the targets native and auto',
          remedy: 'leave --threads out: this target chooses its own',
        }),
      )
    : targets[name](o)
}
