/** The plugins that are known, by the names under which `dinograph accelerator` has them: pinned wheels of the Python package index. */

export const platforms = ['cpu', 'cuda', 'rocm', 'tpu'] as const

/** What a target `pjrt:PLATFORM` runs on. */
export type Platform = (typeof platforms)[number]

/** A package as pip is asked for it. */
export interface Wheel {
  readonly name: string
  readonly version: string
  /** Of the files that may be installed: one for each kind of processor. */
  readonly sha256: ReadonlyArray<string>
}

export interface Accelerator {
  readonly name: string
  readonly platform: Platform
  readonly about: string
  readonly wheels: ReadonlyArray<Wheel>
  /** The plugin's library in the folder of packages. */
  readonly library: string
  /** Whether programs have been run with it here; others have been compiled for, or not even that. */
  readonly tried: 'run' | 'compiled, not run' | 'not tried'
}

export const accelerators: ReadonlyArray<Accelerator> = [
  {
    name: 'cpu',
    platform: 'cpu',
    about: "XLA's code for processors, built by a third party from jaxlib's sources; meant for tests, native is faster",
    wheels: [
      {
        name: 'lammps-jax-pjrt-cpu',
        version: '0.11.2',
        sha256: ['1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1'],
      },
    ],
    library: 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so',
    tried: 'run',
  },
]
