/**
 * The functions of a PJRT plugin (openxla/xla, xla/pjrt/c/pjrt_c_api.h): each takes the address of a struct of 8-byte words, its size and
 * an extension first, and returns an error or nothing. What a function gives it writes into the struct.
 */
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault, messageOf } from '../../../core/fault.ts'
import type { Async, Call } from '../foreign.ts'
import { asAddress, keepLoaded, koffi, later } from '../foreign.ts'
import { asFault } from '../residents.ts'
import { structOf, textAt, viewOf, wordsAt } from './memory.ts'

/** The functions of a plugin's table, in its order, as far as they are used here. */
const names = [
  ...['Error_Destroy', 'Error_Message', 'Error_GetCode', 'Plugin_Initialize', 'Plugin_Attributes'],
  ...['Event_Destroy', 'Event_IsReady', 'Event_Error', 'Event_Await', 'Event_OnReady'],
  ...['Client_Create', 'Client_Destroy', 'Client_PlatformName', 'Client_ProcessIndex', 'Client_PlatformVersion', 'Client_Devices'],
  ...['Client_AddressableDevices', 'Client_LookupDevice', 'Client_LookupAddressableDevice', 'Client_AddressableMemories'],
  ...['Client_Compile', 'Client_DefaultDeviceAssignment', 'Client_BufferFromHostBuffer'],
  ...['DeviceDescription_Id', 'DeviceDescription_ProcessIndex', 'DeviceDescription_Attributes', 'DeviceDescription_Kind'],
  ...['DeviceDescription_DebugString', 'DeviceDescription_ToString'],
  ...['Device_GetDescription', 'Device_IsAddressable', 'Device_LocalHardwareId', 'Device_AddressableMemories', 'Device_DefaultMemory'],
  ...['Device_MemoryStats', 'Memory_Id', 'Memory_Kind', 'Memory_DebugString', 'Memory_ToString', 'Memory_AddressableByDevices'],
  ...['Executable_Destroy', 'Executable_Name', 'Executable_NumReplicas', 'Executable_NumPartitions', 'Executable_NumOutputs'],
  ...['Executable_SizeOfGeneratedCodeInBytes', 'Executable_GetCostAnalysis', 'Executable_OutputMemoryKinds'],
  ...['Executable_OptimizedProgram', 'Executable_Serialize', 'LoadedExecutable_Destroy', 'LoadedExecutable_GetExecutable'],
  ...['LoadedExecutable_AddressableDevices', 'LoadedExecutable_Delete', 'LoadedExecutable_IsDeleted', 'LoadedExecutable_Execute'],
  ...['Executable_DeserializeAndLoad', 'LoadedExecutable_Fingerprint', 'Buffer_Destroy', 'Buffer_ElementType', 'Buffer_Dimensions'],
  ...['Buffer_UnpaddedDimensions', 'Buffer_DynamicDimensionIndices', 'Buffer_GetMemoryLayout', 'Buffer_OnDeviceSizeInBytes'],
  ...['Buffer_Device', 'Buffer_Memory', 'Buffer_Delete', 'Buffer_IsDeleted', 'Buffer_CopyToDevice', 'Buffer_ToHostBuffer'],
  ...['Buffer_IsOnCpu', 'Buffer_ReadyEvent', 'Buffer_UnsafePointer', 'Buffer_IncreaseExternalReferenceCount'],
  ...['Buffer_DecreaseExternalReferenceCount', 'Buffer_OpaqueDeviceMemoryDataPointer', 'CopyToDeviceStream_Destroy'],
  ...['CopyToDeviceStream_AddChunk', 'CopyToDeviceStream_TotalBytes', 'CopyToDeviceStream_GranuleSize'],
  ...['CopyToDeviceStream_CurrentBytes', 'TopologyDescription_Create', 'TopologyDescription_Destroy'],
  ...['TopologyDescription_PlatformName', 'TopologyDescription_PlatformVersion', 'TopologyDescription_GetDeviceDescriptions'],
  ...['TopologyDescription_Serialize', 'TopologyDescription_Attributes', 'Compile', 'Executable_OutputElementTypes'],
  ...['Executable_OutputDimensions', 'Buffer_CopyToMemory', 'Client_CreateViewOfDeviceBuffer', 'Executable_Fingerprint'],
  ...['Client_TopologyDescription', 'Executable_GetCompiledMemoryStats'],
] as const

export type FunctionName = (typeof names)[number]

type Word = bigint | number

export interface Api {
  /** Major and minor number of the interface that the plugin was built for. */
  readonly version: readonly [number, number]
  /** Calls a function with the fields of its struct, and gives them as it left them. Throws a fault. */
  readonly call: (name: FunctionName, fields: ReadonlyArray<Word>) => BigInt64Array
  /** The same off the main thread. */
  readonly later: (name: FunctionName, fields: ReadonlyArray<Word>) => Promise<BigInt64Array>
  /** Calls a function that the plugin gave the address of, with one argument. */
  readonly release: (f: bigint, argument: bigint) => void
}

/** What the struct of the table begins with: its own size and an extension, then those of the version and its two numbers. */
const header = 40

/** Minor versions before this one are not known to work; later ones only add to the structs. */
const leastMinor = 70

/** Codes of errors (absl::StatusCode) that have a remedy of their own. */
const exhausted = 8

const versionFault = (path: string, found: string): Fault =>
  fault('target', {
    place: path,
    found,
    allowed: `a PJRT plugin of version 0.${leastMinor} or later, below 1.0`,
    remedy: `name another plugin in DINOGRAPH_PJRT_PLUGIN, or install one that is known to work: ${commandLine('accelerator')} install`,
  })

const faultOf = (name: FunctionName, code: number, found: string): Fault =>
  code === exhausted
    ? fault('target', {
        place: `pjrt (${name})`,
        found,
        allowed: 'what the device has free',
        remedy: 'use a smaller batch or model, or remat',
      })
    : fault('target', {
        place: `pjrt (${name})`,
        found,
        allowed: 'a run without device errors',
        remedy: 'see what the plugin says; try another target meanwhile',
      })

/** A function of a library as koffi gives it. */
type Foreign = Call & Async

const isForeign = (u: unknown): u is Foreign => typeof u === 'function' && 'async' in u

/** Plugins that have been loaded: each is initialised once in a process. */
const loaded = new Map<string, { readonly library: unknown; readonly api: Api }>()

const tableOf = (path: string): { readonly library: unknown; readonly table: bigint } | Fault => {
  try {
    const library = koffi.load(path)
    const get: Call = library.func('int64_t GetPjrtApi()')
    keepLoaded(path)
    return { library, table: asAddress(get()) }
  } catch (e) {
    const said = messageOf(e)
    const missing = said.includes('GetPjrtApi')
    return fault('target', {
      place: path,
      found: missing ? 'a library without the function GetPjrtApi' : said,
      allowed: 'a PJRT plugin: a shared library with GetPjrtApi, which finds the libraries that it needs',
      remedy: missing
        ? 'name the library of a PJRT plugin in DINOGRAPH_PJRT_PLUGIN'
        : `install what it needs (${commandLine('accelerator')} list), or name another plugin in DINOGRAPH_PJRT_PLUGIN`,
    })
  }
}

const apiOf = (table: bigint): Api => {
  const proto = koffi.proto('int64_t', ['void *'])
  const [major, minor] = new Int32Array(viewOf(table + 32n, 8))
  const addresses = wordsAt(table + BigInt(header), names.length)
  const functions = new Map<FunctionName, Foreign>()
  names.forEach((name, i) => {
    const f: unknown = koffi.decode(addresses[i], proto)
    if (isForeign(f)) functions.set(name, f)
  })
  const raw = (name: FunctionName, fields: ReadonlyArray<Word>): readonly [BigInt64Array, bigint] => {
    const w = structOf(fields)
    return [w, asAddress(functions.get(name)?.(w) ?? 0n)]
  }
  const failed = (name: FunctionName, error: bigint): Fault => {
    const [message] = raw('Error_Message', [error, 0, 0])
    const [code] = raw('Error_GetCode', [error, 0])
    const text = textAt(message[3], Number(message[4]))
    raw('Error_Destroy', [error])
    return faultOf(name, Number(code[3] & 0xffffffffn), text)
  }
  return {
    version: [major, minor],
    call: (name, fields) => {
      const [w, error] = raw(name, fields)
      if (error !== 0n) throw failed(name, error)
      return w.subarray(2, 2 + fields.length)
    },
    later: async (name, fields) => {
      const w = structOf(fields)
      const f = functions.get(name)
      const error = f === undefined ? 0n : asAddress(await later(f, w))
      if (error !== 0n) throw failed(name, error)
      return w.subarray(2, 2 + fields.length)
    },
    release: (f, argument) => {
      if (f !== 0n) koffi.call(f, koffi.proto('void', ['int64_t']), argument)
    },
  }
}

/** Loads the library of a plugin, once in a process. */
export const openApi = (path: string): Api | Fault => {
  const before = loaded.get(path)
  if (before !== undefined) return before.api
  const opened = tableOf(path)
  if (isFault(opened)) return opened
  const { library, table } = opened
  const [size] = wordsAt(table, 1).map(Number)
  if (size < header) return versionFault(path, `a table of ${size} bytes`)
  const [major, minor] = new Int32Array(viewOf(table + 32n, 8))
  if (major !== 0 || minor < leastMinor || size < header + 8 * names.length)
    return versionFault(path, `version ${major}.${minor} of PJRT, with ${Math.floor((size - header) / 8)} functions`)
  const api = apiOf(table)
  try {
    api.call('Plugin_Initialize', [])
  } catch (e) {
    return asFault(path)(e)
  }
  loaded.set(path, { library, api })
  return api
}
