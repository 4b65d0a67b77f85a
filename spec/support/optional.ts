/**
 * Which targets a machine may lack: without a graphics card or its software driver, WebGPU is left out, and without a plugin, PJRT; but
 * where the environment requires it.
 */
export const isOptional = (target: string): boolean =>
  (target === 'gpujs:webgpu' && process.env.DINOGRAPH_REQUIRE_WEBGPU !== '1') ||
  (target.startsWith('pjrt:') && process.env.DINOGRAPH_REQUIRE_PJRT !== '1')
