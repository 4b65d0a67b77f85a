/** Opening the targets `pjrt:…`: the plugin of a platform, its client, and the devices that it has. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type * as TE from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault } from '../../../core/fault.ts'
import type { DistributionName } from '../../distribute/strategy.ts'
import type { Target } from '../../target.ts'
import type { Say } from '../native/cache.ts'
import { openCache, toTerminal } from '../native/cache.ts'
import { codeFingerprint } from '../native/fingerprint.ts'
import { asFault } from '../residents.ts'
import type { Platform } from './accelerators.ts'
import { readyPlugin } from './beside.ts'
import type { Client } from './client.ts'
import { openClient } from './client.ts'
import type { PjrtDevice } from './device.ts'
import { deviceOf } from './device.ts'
import { withLog } from './logs.ts'
import type { Settings } from './options.ts'
import { compileOptions } from './options.ts'
import type { Plugin } from './plugin.ts'
import type { Precision } from './writer.ts'

export interface PjrtOptions {
  /** That of products of f32; by default the highest. */
  readonly precision?: Precision
  /** Settings of XLA by name. */
  readonly xla?: Settings
  /** How many devices share each batch; 0: all that this process may use, of `cpu` one. Default 1. */
  readonly devices?: number
  /** How they do so. Default ddp. */
  readonly strategy?: DistributionName
  /** Tensors of fewer elements are the same on all devices. Default 1024. */
  readonly least?: number
  /** Reports what is not as it should be with the cache; by default on the terminal. */
  readonly say?: Say
}

/** Options of clients: as many devices of processors as are asked for, and memory taken as it is needed. */
const clientSettings: { readonly [P in Platform]: (devices: number) => Settings } = {
  cpu: (devices) => ({ cpu_device_count: Math.max(1, devices) }),
  cuda: () => ({ preallocate: false }),
  rocm: () => ({ preallocate: false }),
  tpu: () => ({}),
}

/** Whether a chip of Google's is here, as its driver shows it: without one the plugin asks Google's cloud about it for ten minutes. */
const hasTpu = (): boolean => {
  const names = (folder: string): ReadonlyArray<string> => (existsSync(folder) ? readdirSync(folder) : [])
  return names('/dev').some((n) => /^accel\d*$/.test(n)) || names('/dev/vfio').some((n) => /^\d+$/.test(n))
}

const noTpu = (name: string): Fault =>
  fault('target', {
    place: name,
    found: 'no TPU: neither /dev/accel0 nor a device in /dev/vfio',
    allowed: 'a machine with a TPU and its driver',
    remedy: `run this on a TPU's own machine, or choose another target; ${commandLine('compile')} --for v5e:2x4 compiles for one that is not here`,
  })

/** A client with the platform's options; without them where the plugin knows none of them, being of another platform or another age. */
const clientOf = (plugin: Plugin, platform: Platform, devices: number): Client => {
  try {
    return openClient(plugin.path, clientSettings[platform](devices))
  } catch (e) {
    try {
      return openClient(plugin.path, {})
    } catch {
      throw e
    }
  }
}

const otherPlatform = (name: string, plugin: Plugin, platform: string): Fault =>
  fault('target', {
    place: name,
    found: `${plugin.path}, a plugin for ${platform}`,
    allowed: `a plugin for ${name.slice('pjrt:'.length)}`,
    remedy: `choose --target pjrt:${platform}, or name another plugin in DINOGRAPH_PJRT_PLUGIN`,
  })

const tooMany = (name: string, asked: number, there: number): Fault =>
  fault('target', {
    place: name,
    found: `${asked} devices asked for, where this process may use ${there}`,
    allowed: `1 to ${there}, or 0 for all`,
    remedy: 'set accelerator.devices (--devices) to what is there, or see what hides the others, such as CUDA_VISIBLE_DEVICES',
  })

/** Opens devices of a platform as one. Faults: no plugin; one that does not load, is too old, or sees fewer devices than asked for. */
export const openPjrt =
  (platform: Platform, o: PjrtOptions = {}): TE.TaskEither<Fault, PjrtDevice> =>
  async () => {
    const name = `pjrt:${platform}`
    try {
      const plugin = readyPlugin(platform)
      if (isFault(plugin)) return E.left(plugin)
      if (platform === 'tpu' && !hasTpu()) return E.left(noTpu(name))
      const code = await codeFingerprint()
      const folder = await openCache('pjrt', o.say ?? toTerminal)
      const asked = o.devices ?? 1
      const client = withLog(join(folder, 'plugin.log'), () => clientOf(plugin, platform, asked))
      if (client.platform !== platform) {
        client.close()
        return E.left(otherPlatform(name, plugin, client.platform))
      }
      const devices = asked === 0 ? client.devices : asked
      if (devices > client.devices) {
        client.close()
        return E.left(tooMany(name, devices, client.devices))
      }
      const options = compileOptions(o.xla, devices)
      const how = { precision: o.precision ?? 'highest', strategy: o.strategy ?? 'ddp', least: o.least } as const
      return E.right(deviceOf({ name, client, plugin, folder, code, options, devices, ...how }))
    } catch (e) {
      return E.left(asFault(name)(e))
    }
  }

export const pjrt = (platform: Platform, o: PjrtOptions = {}): Target => ({ name: `pjrt:${platform}`, open: openPjrt(platform, o) })
