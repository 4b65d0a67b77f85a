/** The plugins that are known, by the names under which `dinograph accelerator` has them: pinned wheels of the Python package index. */

export const platforms = ['cpu', 'cuda', 'rocm', 'tpu'] as const

/** What a target `pjrt:PLATFORM` runs on. */
export type Platform = (typeof platforms)[number]

/** A package as pip is asked for it: of this version, with this content. */
export interface Wheel {
  readonly name: string
  readonly version: string
  readonly sha256: string
}

export interface Accelerator {
  readonly name: string
  readonly platform: Platform
  readonly about: string
  readonly wheels: ReadonlyArray<Wheel>
  /** The plugin's library in the folder of packages. */
  readonly library: string
  /** Libraries of the hardware's maker that the plugin looks for by name, in the order in which they need each other. */
  readonly beside: ReadonlyArray<string>
  /** A folder of the packages where the plugin's compiler has its own files. */
  readonly data?: string
  /** How far it has been tried by who wrote this. */
  readonly tried: 'run' | 'compiled, not run' | 'not tried'
}

const wheel = (name: string, version: string, sha256: string): Wheel => ({ name, version, sha256 })

const cuda13Library = (name: string): string => `nvidia/cu13/lib/${name}`

export const accelerators: ReadonlyArray<Accelerator> = [
  {
    name: 'cpu',
    platform: 'cpu',
    about: "XLA on processors, built by a third party from jaxlib's sources: for tests, as native is faster",
    wheels: [wheel('lammps-jax-pjrt-cpu', '0.11.2', '1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1')],
    library: 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so',
    beside: [],
    tried: 'run',
  },
  {
    name: 'cuda13',
    platform: 'cuda',
    about: "XLA on NVIDIA's processors, by the JAX team, with NVIDIA's libraries of CUDA 13: needs a driver of 580 or later",
    wheels: [
      wheel('jax-cuda13-pjrt', '0.12.0.1', '5899bb6177eda86ea532afb9a26794f2bdd04966f6a01f9028266b16c2b6cf90'),
      wheel('nvidia-cuda-runtime', '13.5.37', 'df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d'),
      wheel('nvidia-cuda-nvrtc', '13.5.37', '86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc'),
      wheel('nvidia-nvjitlink', '13.5.37', '280d7cb9649704145f074b8dbde500de04ce02d0872e066e20a83c17bcaa93eb'),
      wheel('nvidia-cublas', '13.10.0.20', 'dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84'),
      wheel('nvidia-cusparse', '12.9.4.2', '072667e58c851a318738f5527a12eb225cbf058803f2ea451c722d8cf8edddec'),
      wheel('nvidia-cusolver', '12.4.1.2', 'b3b8e02fd2f2df869369af075dc3a179d43f6f7b85e94632a7dce556697be044'),
      wheel('nvidia-cufft', '12.5.0.14', 'b8be26837a5abad2b5b74f3e92dd29f622a42934b355be0961a48712cbba23ad'),
      wheel('nvidia-cuda-cupti', '13.5.25', '9dcca41c12a734192b14e7128ae116bc9ce1b9da686e2ebf48ae7a4415f76650'),
      wheel('nvidia-cudnn-cu13', '9.28.1.4', 'a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec'),
      wheel('nvidia-nccl-cu13', '2.32.3', '1459723080ac889d73a26edfa3e04383a7928ab31ac8f0ec43b3ea9548b04ff3'),
      wheel('nvidia-nvshmem-cu13', '3.8.0', '81a4d1f666543e6d34df6d2ff940c7da1435e34e186aab6f3c2b48861b64ef38'),
      wheel('nvidia-cuda-nvcc', '13.5.37', 'f5c4f7ead5d964fb4af42bbf1e6d3ec3c1e6e9d83b53749f691d387e7fcaa3a7'),
      wheel('nvidia-nvvm', '13.5.37', 'c41bfa362e407405163f103c2229f0765f8cc2ed7d148b754dc77f228bf7e070'),
      wheel('nvidia-cuda-crt', '13.5.37', 'e898b7f73d3035fa89915a3f7bf3b54a73e90249746111aed295822c4729bb29'),
    ],
    library: 'jax_plugins/xla_cuda13/xla_cuda_plugin.so',
    beside: [
      ...['libcudart.so.13', 'libnvrtc.so.13', 'libnvJitLink.so.13', 'libcublasLt.so.13', 'libcublas.so.13'].map(cuda13Library),
      ...['libcusparse.so.12', 'libcusolver.so.12', 'libcufft.so.12', 'libcupti.so.13'].map(cuda13Library),
      ...['nvidia/cudnn/lib/libcudnn.so.9', 'nvidia/nccl/lib/libnccl.so.2', 'nvidia/nvshmem/lib/libnvshmem_host.so.3'],
    ],
    data: 'nvidia/cu13',
    tried: 'compiled, not run',
  },
  {
    name: 'cuda12',
    platform: 'cuda',
    about: "XLA on NVIDIA's processors, by the JAX team, with the libraries of CUDA 12 that the machine has",
    wheels: [wheel('jax-cuda12-pjrt', '0.12.0.1', '5ec28e06198d094031c37590b4ea753ae8cde4879ab4b60baf40f0dffb673286')],
    library: 'jax_plugins/xla_cuda12/xla_cuda_plugin.so',
    beside: [],
    tried: 'not tried',
  },
  {
    name: 'rocm',
    platform: 'rocm',
    about: "XLA on AMD's processors, by the JAX team, with the ROCm 7 that the machine has",
    wheels: [wheel('jax-rocm7-pjrt', '0.12.0', '4551d0714523355f2946ca1958c3f584e95661e467a641d36b726f718a1c7934')],
    library: 'jax_plugins/xla_rocm7/xla_rocm_plugin.so',
    beside: [],
    tried: 'not tried',
  },
  {
    name: 'tpu',
    platform: 'tpu',
    about: "XLA on Google's TPUs, under Google's terms",
    wheels: [wheel('libtpu', '0.0.52', 'bf962d290626e93828f4ffafef96dfff8d8bfd0d64f506ca6f953e6e1e7c8e87')],
    library: 'libtpu/libtpu.so',
    beside: [],
    tried: 'compiled, not run',
  },
]
