/** Machines that programs are compiled for where they are not: by the name that a user gives, what their plugin is given. */
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Platform } from './accelerators.ts'
import type { Settings } from './options.ts'

export interface Machine {
  readonly name: string
  readonly platform: Platform
  readonly devices: number
  /** The name of the topology, and its options. */
  readonly topology: string
  readonly create: Settings
  /** Settings of XLA that compiling without the hardware asks for. */
  readonly xla: Settings
  /** Variables of the environment that the plugin reads when it is loaded. */
  readonly environment: Readonly<Record<string, string>>
}

/**
 * NVIDIA's H100 SXM as XLA describes it (openxla/xla, xla/backends/gpu/target_config/specs/h100_sxm.txtpb): a GpuTargetConfigProto. Its
 * 132 multiprocessors, 80 GB and bandwidth decide how XLA tiles and fuses.
 */
const h100 = [
  'gpu_device_info { threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472',
  'threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535',
  'block_dim_limit_z: 65535 memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84929347584',
  'shared_memory_per_block_optin: 232448 cuda_compute_capability { major: 9 } registers_per_core_limit: 65536',
  'registers_per_block_limit: 65536 } platform_name: "CUDA" dnn_version_info { major: 9 minor: 7 }',
  'runtime_version { major: 13 minor: 0 patch: 0 } device_description_str: "NVIDIA H100 80GB HBM3"',
].join(' ')

/** H100s of one host, by their number: `h100`, `h100:8`. */
const cards = /^h100(?::([1-9]\d{0,2}))?$/

/** TPUs by generation and the grid of their chips, as Google names slices: `v5e:2x4`. */
const slice = /^v\d+[a-z]*:(\d+)x(\d+)(?:x(\d+))?$/

/** The machine of a name. Fault: an unknown one. */
export const machineOf = (name: string): Machine | Fault => {
  const card = cards.exec(name)
  // no algorithm can be tried out on a card that is not there
  if (card !== null)
    return {
      name,
      platform: 'cuda',
      devices: Number(card[1] ?? 1),
      topology: 'cuda',
      create: { topology: `1x1x${card[1] ?? 1}`, target_config: h100 },
      xla: { xla_gpu_autotune_level: 0 },
      environment: {},
    }
  // without these the plugin asks Google's cloud about the machine that it is on, and takes chips that nothing is to run on for itself
  const environment = { TPU_SKIP_MDS_QUERY: '1', ALLOW_MULTIPLE_LIBTPU_LOAD: '1' }
  const grid = slice.exec(name)?.slice(1)
  if (grid !== undefined) {
    const devices = grid.reduce((n, side) => n * Number(side ?? 1), 1)
    return { name, platform: 'tpu', devices, topology: name, create: {}, xla: {}, environment }
  }
  return fault('usage', {
    place: '--for',
    found: name,
    allowed: 'h100, several of one host such as h100:8, or a slice of TPUs by generation and grid, such as v5e:2x4',
    remedy: 'name one of these',
  })
}
