/** What a plugin needs of its hardware's maker, from packages beside it: libraries that it looks for by name, files of its compiler. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, isFault, messageOf } from '../../../core/fault.ts'
import { keepLoaded, koffi } from '../foreign.ts'
import { accelerators } from './accelerators.ts'
import type { Platform } from './accelerators.ts'
import type { Plugin } from './plugin.ts'
import { findPlugin } from './plugin.ts'

/**
 * Loads what lies beside a plugin, before the plugin itself, so that it is found by name whatever the machine has elsewhere. XLA reads
 * where its compiler's files are when it is loaded. What is not there the plugin looks for in the system.
 */
const loadBeside = (p: Plugin): Fault | undefined => {
  const { packages } = p
  const known = accelerators.find((a) => p.path.endsWith(a.library))
  if (known === undefined || packages === undefined) return undefined
  if (
    known.data !== undefined &&
    existsSync(join(packages, known.data)) &&
    !(process.env.XLA_FLAGS ?? '').includes('xla_gpu_cuda_data_dir')
  )
    process.env.XLA_FLAGS = `${process.env.XLA_FLAGS ?? ''} --xla_gpu_cuda_data_dir=${join(packages, known.data)}`.trim()
  for (const library of known.beside.map((b) => join(packages, b)).filter((b) => existsSync(b))) {
    try {
      koffi.load(library, { global: true, lazy: true })
      keepLoaded(library)
    } catch (e) {
      return fault('target', {
        place: library,
        found: messageOf(e),
        allowed: 'libraries of one version, as they are installed together',
        remedy: `install them again: ${commandLine('accelerator')} install ${known.name}`,
      })
    }
  }
  return undefined
}

/** The plugin of a platform, ready to be loaded: what lies beside it is, and it will report errors alone. Fault: none, or not whole. */
export const readyPlugin = (platform: Platform): Plugin | Fault => {
  const plugin = findPlugin(platform)
  if (isFault(plugin)) return plugin
  const beside = loadBeside(plugin)
  if (beside !== undefined) return beside
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  return plugin
}
