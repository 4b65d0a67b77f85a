/**
 * A plugin's client: a device's buffers and executables. Whatever a plugin hands out is freed here or by who asked for it; calls that
 * take long run off the main thread, so that loading and logging go on.
 */
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault } from '../../../core/fault.ts'
import type { DType, TensorType } from '../../../core/type.ts'
import { bytesOf, sizeOf } from '../../../core/type.ts'
import type { HostArray } from '../../target.ts'
import { load as loadHost, store } from '../native/storage.ts'
import type { Api } from './api.ts'
import { openApi } from './api.ts'
import type { Scratch } from './memory.ts'
import { bytesAt, keptText, textAt, withScratch, withScratchLater, wordsAt } from './memory.ts'
import type { Settings } from './options.ts'
import type { Meeting } from './rendezvous.ts'

/** A tensor on the device, by the address of its PJRT_Buffer. */
export interface DeviceBuffer {
  readonly handle: bigint
}

/** Bytes on the device, as the compiler has planned them. */
export interface MemoryUse {
  readonly arguments: number
  readonly outputs: number
  /** Of the outputs, those that lie where an argument lay. */
  readonly aliased: number
  readonly temporaries: number
}

/** What a plugin says of a program that it has compiled. */
export interface About {
  readonly memory: () => MemoryUse
  /** The program as XLA has changed it, and the name of its format: `hlo` or `hlo_with_config`. */
  readonly optimized: () => { readonly program: Uint8Array; readonly format: string }
}

export interface Loaded extends About {
  /** Runs once: arguments and results of each device. Arguments that are donated are gone afterwards. */
  readonly run: (args: ReadonlyArray<ReadonlyArray<DeviceBuffer>>) => Promise<ReadonlyArray<ReadonlyArray<DeviceBuffer>>>
  readonly serialized: () => Uint8Array
  readonly free: () => void
}

export interface Client {
  /** `cpu`, `cuda`, … */
  readonly platform: string
  /** What the plugin says of its own version. */
  readonly version: string
  readonly api: readonly [number, number]
  /** The devices that this process may use. */
  readonly devices: number
  /** The first of them, in the plugin's words. */
  readonly device: string
  /** A tensor on the device of a number. */
  readonly put: (type: TensorType, data: HostArray, device: number) => DeviceBuffer
  /** Copies of tensors, as the host has them. */
  readonly get: (wanted: ReadonlyArray<readonly [TensorType, DeviceBuffer]>) => Promise<ReadonlyArray<HostArray>>
  readonly free: (b: DeviceBuffer) => void
  /** Where a buffer lies, for tests of donation. */
  readonly addressOf: (b: DeviceBuffer) => bigint
  readonly compile: (text: string, options: Uint8Array) => Promise<Loaded>
  readonly deserialize: (bytes: Uint8Array) => Promise<Loaded>
  readonly close: () => void
}

/** PJRT_Buffer_Type */
const bufferTypes: { readonly [D in DType]: number } = { bool: 1, i32: 4, f16: 10, f32: 11, bf16: 13 }

/** PJRT_NamedValue: size, extension, name and its length, kind (0 text, 1 whole number, 4 bool), value, its length. */
export const namedValues = (s: Scratch, values: Settings): readonly [bigint, number] => {
  const entries = Object.entries(values)
  const words = entries.flatMap(([name, value]) => {
    const isText = typeof value === 'string'
    const kind = isText ? 0 : typeof value === 'boolean' ? 4 : 1
    return [...[56, 0, s.text(name).address, name.length, kind], ...(isText ? [s.text(value).address, value.length] : [BigInt(value), 1])]
  })
  return [s.words(words).address, entries.length]
}

const awaited = async (api: Api, event: bigint): Promise<void> => {
  try {
    await api.later('Event_Await', [event])
  } finally {
    api.call('Event_Destroy', [event])
  }
}

/** A dense layout of the host, the last axis the nearest (PJRT_Buffer_MemoryLayout, tiled, without tiles). */
const rowMajor = (s: Scratch, rank: number): bigint => {
  const order = s.words(Array.from({ length: rank }, (_, i) => rank - 1 - i)).address
  return s.struct([...[56, 0, order, rank, 0, 0, 0], 0]).address
}

export const aboutOf = (api: Api, executable: bigint): About => ({
  memory: () => {
    const w = api.call('Executable_GetCompiledMemoryStats', [executable, ...new Array<number>(11).fill(0)])
    const [args, outs, aliased, temporaries] = [...w.subarray(2, 6)].map(Number)
    return { arguments: args, outputs: outs, aliased, temporaries }
  },
  optimized: () =>
    withScratch((s) => {
      // asked twice: for the size, and for the program
      const asked = s.struct([0, 0, 0, 0])
      api.call('Executable_OptimizedProgram', [executable, asked.address])
      const [, , , size, format, length] = wordsAt(asked.address, 6)
      const code = s.allocate(Number(size))
      const again = s.struct([code.address, size, format, length])
      api.call('Executable_OptimizedProgram', [executable, again.address])
      return { program: bytesAt(code.address, Number(size)), format: textAt(format, Number(length)) }
    }),
})

const loadedOf = (api: Api, handle: bigint): Loaded => {
  const [, executable] = api.call('LoadedExecutable_GetExecutable', [handle, 0])
  const [, count] = api.call('Executable_NumOutputs', [executable, 0])
  const outputs = Number(count)
  return {
    run: async (args) =>
      withScratchLater(async (s) => {
        const devices = args.length
        const lists = s.words(args.map((list) => s.words(list.map((a) => a.handle)).address))
        const outs = args.map(() => s.allocate(8 * outputs))
        const [outLists, events] = [s.words(outs.map((o) => o.address)), s.allocate(8 * devices)]
        const options = s.struct(new Array<number>(12).fill(0))
        await api.later('LoadedExecutable_Execute', [
          ...[handle, options.address, lists.address, devices, args[0].length],
          ...[outLists.address, events.address, 0],
        ])
        const results = outs.map((o) => wordsAt(o.address, outputs).map((h): DeviceBuffer => ({ handle: h })))
        const failed: Array<unknown> = []
        // each, as what a device has not finished is still being written
        for (const event of wordsAt(events.address, devices)) await awaited(api, event).catch((e: unknown) => failed.push(e))
        if (failed.length === 0) return results
        for (const r of results.flat()) api.call('Buffer_Destroy', [r.handle])
        throw failed[0]
      }),
    serialized: () => {
      const [, bytes, size, owner, release] = api.call('Executable_Serialize', [executable, 0, 0, 0, 0])
      const copy = bytesAt(bytes, Number(size))
      api.release(release, owner)
      return copy
    },
    ...aboutOf(api, executable),
    free: () => {
      api.call('Executable_Destroy', [executable])
      api.call('LoadedExecutable_Destroy', [handle])
    },
  }
}

const noDevice = (path: string): Fault =>
  fault('target', {
    place: path,
    found: 'a plugin that sees no device',
    allowed: 'a device that this process may use',
    remedy: 'check the driver of the hardware (nvidia-smi, rocm-smi) and CUDA_VISIBLE_DEVICES; or choose another target',
  })

/** What a client is made of; without others nobody answers, and nobody is asked. */
const asked = (s: Scratch, settings: Settings, m: Meeting | undefined): ReadonlyArray<bigint | number> => {
  const [values, count] = namedValues(s, m === undefined ? settings : { ...settings, node_id: m.node, num_nodes: m.nodes })
  if (m === undefined) return [values, count, 0, 0, 0, 0, 0, 0, 0]
  // asked for as long as the client lives
  const folder = keptText(m.folder)
  return [values, count, m.get, folder, m.put, folder, 0, m.tryGet, folder]
}

/** CUDA's and ROCm's words where there is no card, or no driver. */
const notMade = (path: string, e: unknown): unknown =>
  isFault(e) && /no visible gpu device|no supported devices found|CUDA_ERROR_NO_DEVICE/i.test(e.found) ? noDevice(path) : e

const loadedApi = (path: string): Api => {
  const api = openApi(path)
  if (isFault(api)) throw api
  return api
}

/** Opens a client of a plugin. What is thrown is a fault. */
export const openClient = (path: string, settings: Settings): Client => {
  const api = loadedApi(path)
  const handle = withScratch((s) => {
    try {
      return api.call('Client_Create', asked(s, settings, undefined))[6]
    } catch (e) {
      throw notMade(path, e)
    }
  })
  return clientOf(path, api, handle)
}

/**
 * Opens a client that several processes are, one of each machine: all of them at once, while this one's main thread goes on. Rejects with a
 * fault.
 */
export const joinClient = async (path: string, settings: Settings, m: Meeting): Promise<Client> => {
  const api = loadedApi(path)
  const handle = await withScratchLater(async (s) => {
    try {
      return (await api.later('Client_Create', asked(s, settings, m)))[6]
    } catch (e) {
      throw notMade(path, e)
    }
  })
  return clientOf(path, api, handle)
}

const clientOf = (path: string, api: Api, handle: bigint): Client => {
  const text = (name: 'Client_PlatformName' | 'Client_PlatformVersion'): string => {
    const [, at, size] = api.call(name, [handle, 0, 0])
    return textAt(at, Number(size))
  }
  const [, list, count] = api.call('Client_AddressableDevices', [handle, 0, 0])
  if (count === 0n) {
    api.call('Client_Destroy', [handle])
    throw noDevice(path)
  }
  const devices = wordsAt(list, Number(count))
  const [, description] = api.call('Device_GetDescription', [devices[0], 0])
  const [, kind, length] = api.call('DeviceDescription_Kind', [description, 0, 0])
  return {
    platform: text('Client_PlatformName'),
    version: text('Client_PlatformVersion'),
    api: api.version,
    devices: devices.length,
    device: textAt(kind, Number(length)),
    put: (type, data, device) =>
      withScratch((s) => {
        const host = s.allocate(sizeOf(type.shape) * bytesOf(type.dtype))
        store(type.dtype, host.view, 0, data)
        const dims = s.words(type.shape)
        // 0: the memory is copied before the call is over
        const r = api.call('Client_BufferFromHostBuffer', [
          ...[handle, host.address, bufferTypes[type.dtype], dims.address, type.shape.length],
          ...[0, 0, 0, devices[device], 0, 0, 0, 0],
        ])
        api.call('Event_Destroy', [r[11]])
        return { handle: r[12] }
      }),
    get: async (wanted) =>
      withScratchLater(async (s) => {
        // all copies are under way before the first is awaited
        const copies = wanted.map(([type, b]) => {
          const size = sizeOf(type.shape)
          const bytes = size * bytesOf(type.dtype)
          const host = s.allocate(bytes)
          const r = api.call('Buffer_ToHostBuffer', [b.handle, rowMajor(s, type.shape.length), host.address, bytes, 0])
          return { type, size, host, event: r[4] }
        })
        const failed: Array<unknown> = []
        // each, as memory is freed behind the last
        for (const c of copies) await awaited(api, c.event).catch((e: unknown) => failed.push(e))
        if (failed.length > 0) throw failed[0]
        return copies.map((c) => loadHost(c.type.dtype, c.host.view, 0, c.size))
      }),
    free: (b) => {
      api.call('Buffer_Destroy', [b.handle])
    },
    addressOf: (b) => api.call('Buffer_UnsafePointer', [b.handle, 0])[1],
    compile: async (program, options) =>
      withScratchLater(async (s) => {
        const length = Buffer.byteLength(program)
        // the parser looks one byte beyond its text
        const [code, format, asked] = [s.text(program), s.text('mlir'), s.bytes(options)]
        const struct = s.struct([code.address, length, format.address, 4])
        const r = await api.later('Client_Compile', [handle, struct.address, asked.address, options.length, 0])
        return loadedOf(api, r[4])
      }),
    deserialize: async (bytes) =>
      withScratchLater(async (s) => {
        const r = await api.later('Executable_DeserializeAndLoad', [handle, s.bytes(bytes).address, bytes.length, 0, 0, 0])
        return loadedOf(api, r[3])
      }),
    close: () => {
      api.call('Client_Destroy', [handle])
    },
  }
}
