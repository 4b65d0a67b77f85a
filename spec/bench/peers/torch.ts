/** Which interpreter of Python has which PyTorch. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface Torch {
  readonly python: string
  /** `2.15.0`, as numbers. */
  readonly version: ReadonlyArray<number>
}

/** What a program of one line prints; undefined where it fails. */
export const printedBy = (python: string, line: string): string | undefined => {
  const { status, stdout } = spawnSync(python, ['-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 ? stdout.trim() : undefined
}

/** The PyTorch of an interpreter; undefined where it has none, or is none. */
export const torchOf = (python: string): Torch | undefined => {
  const version = printedBy(python, 'from importlib.metadata import version; print(version("torch"))')
  return version === undefined ? undefined : { python, version: version.split('+')[0].split('.').map(Number) }
}

export const showTorch = ({ python, version }: Torch): string => `${python}, PyTorch ${version.join('.')}`

/** Whether it has fused attention, foreach optimizers and torch.compile. */
export const isRecent = ({ version: [major] }: Torch): boolean => major >= 2

const later = (a: Torch, b: Torch): number => {
  const at = a.version.findIndex((n, i) => n !== b.version[i])
  return at < 0 ? 0 : a.version[at] - (b.version[at] ?? 0)
}

/** The newest PyTorch of the environment that is active, of `.venv` here, of the interpreter on the path, and of the system's. */
export const newestTorch = (): Torch | undefined => {
  const active = process.env['VIRTUAL_ENV']
  const folders = [...(active === undefined ? [] : [active]), '.venv'].map((dir) => join(dir, 'bin', 'python')).filter((p) => existsSync(p))
  return [...folders, 'python3', '/usr/bin/python3']
    .flatMap((p) => torchOf(p) ?? [])
    .sort(later)
    .at(-1)
}
