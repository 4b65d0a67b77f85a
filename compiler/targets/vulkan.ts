/**
 * Whether a Vulkan driver is installed, by the places where the Vulkan loader looks for drivers on Linux (LoaderDriverInterface,
 * "Driver Discovery on Linux"). Asked before WebGPU is tried unasked: without a driver it complains on the console.
 */
import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const manifests = (folder: string): boolean => {
  try {
    return readdirSync(folder).some((f) => f.endsWith('.json'))
  } catch {
    return false
  }
}

/** True where a driver may be there: on other systems WebGPU does not need one of its own. */
export const mayHaveDriver = (env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): boolean => {
  if (platform !== 'linux') return true
  if (['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'].some((name) => (env[name] ?? '') !== '')) return true
  const data = [
    env.XDG_CONFIG_HOME ?? join(homedir(), '.config'),
    env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'),
    '/etc',
    '/usr/local/etc',
    ...(env.XDG_CONFIG_DIRS ?? '/etc/xdg').split(':'),
    ...(env.XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':'),
  ]
  return data.some((folder) => manifests(join(folder, 'vulkan', 'icd.d')))
}
