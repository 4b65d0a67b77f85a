/**
 * Where a plugin is: what `DINOGRAPH_PJRT_PLUGIN` names, what `dinograph accelerator install` has put into the cache, or a package in the
 * Python environment that is active.
 */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Platform } from './accelerators.ts'
import { accelerators } from './accelerators.ts'
import { cacheFolder, untrusted } from '../native/cache.ts'

export interface Plugin {
  readonly path: string
  /** The folder of packages that it lies in, where hardware's own libraries may lie beside it. */
  readonly packages: string | undefined
  /** Where it was found, for people. */
  readonly found: 'DINOGRAPH_PJRT_PLUGIN' | 'the cache' | 'the Python environment'
}

type Env = Readonly<Record<string, string | undefined>>

/** Where accelerators are installed: a folder of packages for each. */
export const acceleratorFolder = (env: Env = process.env): string => cacheFolder('accelerators', env)

const foldersIn = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Folders of packages of the active environment: of venv, of conda, and those that PYTHONPATH names. */
const sitePackages = (env: Env): ReadonlyArray<string> => [
  ...(env.PYTHONPATH ?? '').split(delimiter).filter((p) => p !== ''),
  ...[env.VIRTUAL_ENV, env.CONDA_PREFIX]
    .filter((p) => p !== undefined && p !== '')
    .flatMap((prefix) =>
      foldersIn(join(prefix ?? '', 'lib'))
        .filter((f) => /^python3\.\d+$/.test(f))
        .map((f) => join(prefix ?? '', 'lib', f, 'site-packages')),
    ),
]

/** A library that is not the user's own alone is not loaded: it would run with all rights of the user. */
const foreign = (path: string, packages: string, why: string): Fault =>
  fault('target', {
    place: path,
    found: why,
    allowed: 'a plugin in folders of your own, in which no other user may write',
    remedy: `if it is yours: chmod -R go-w ${dirname(packages)}; else remove it and install it again (${commandLine('accelerator')} install), or set XDG_CACHE_HOME to a folder of your own`,
  })

/** What a user has installed for a platform by `dinograph accelerator install`. Fault: it lies where others can write. */
export const installedPlugin = (platform: Platform, env: Env = process.env): Plugin | Fault | undefined => {
  for (const a of accelerators) {
    const packages = join(acceleratorFolder(env), a.name)
    const path = join(packages, a.library)
    if (a.platform !== platform || !existsSync(path)) continue
    const why = untrusted(acceleratorFolder(env), path)
    return why === undefined ? { path, packages, found: 'the cache' } : foreign(path, packages, why)
  }
  return undefined
}

const inEnvironment = (platform: Platform, env: Env): Plugin | undefined => {
  for (const packages of sitePackages(env))
    for (const a of accelerators) {
      const path = join(packages, a.library)
      if (a.platform === platform && existsSync(path)) return { path, packages, found: 'the Python environment' }
    }
  return undefined
}

/** The folder of packages that a library lies in, if it lies in one of the known places. */
const packagesOf = (path: string): string | undefined => {
  const known = accelerators.find((a) => path.endsWith(`/${a.library}`))
  return known === undefined ? undefined : path.slice(0, -known.library.length - 1)
}

/** The plugin of a platform. Faults: a named library that is not there; none. */
export const findPlugin = (platform: Platform, env: Env = process.env): Plugin | Fault => {
  const named = env.DINOGRAPH_PJRT_PLUGIN
  if (named !== undefined && named !== '')
    return existsSync(named)
      ? { path: realpathSync(named), packages: packagesOf(named), found: 'DINOGRAPH_PJRT_PLUGIN' }
      : fault('target', {
          place: 'DINOGRAPH_PJRT_PLUGIN',
          found: `${named}, which is no file`,
          allowed: 'the shared library of a PJRT plugin, such as pjrt_c_api_cpu_plugin.so or xla_cuda_plugin.so',
          remedy: `name an existing one, or take the variable away and install one: ${commandLine('accelerator')} install`,
        })
  const names = accelerators.filter((a) => a.platform === platform).map((a) => a.name)
  return (
    installedPlugin(platform, env) ??
    inEnvironment(platform, env) ??
    fault('target', {
      place: `pjrt:${platform}`,
      found: `no PJRT plugin for ${platform}: none in ${acceleratorFolder(env)}, and none in a Python environment that is active`,
      allowed: `a plugin that is installed (${names.join(', ')}), or named in DINOGRAPH_PJRT_PLUGIN`,
      remedy: `${commandLine('accelerator')} install ${names[0] ?? platform}; or choose another target`,
    })
  )
}

/** What distinguishes one build of a plugin from another without reading hundreds of megabytes. */
export const identityOf = (p: Plugin): string => {
  const { size, mtimeMs } = statSync(p.path)
  return `${basename(p.path)} ${size} ${Math.round(mtimeMs)}`
}
