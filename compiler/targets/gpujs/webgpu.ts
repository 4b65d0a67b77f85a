/** The engine over gpu.js's WGSL: our own device, buffers that stay on it, and one submission per run of a program. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { type Fault, fault, isFault, messageOf } from '../../../core/fault.ts'
import { type Bound, compiler } from './compile.ts'
import type { Engine, Limits, Slot } from './engine.ts'
import type { Grid, KernelSource } from './kernel.ts'
import { patience } from './patience.ts'
import { openSlots } from './slots.ts'
import { firstBinding, parametersBinding, wgsl } from './wgsl.ts'

interface WebgpuSlot extends Slot {
  readonly buffer: GPUBuffer
}

/** A kernel: a pipeline that it may share with others, and its own sizes. */
interface Pipeline {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  readonly parameters: Uint32Array
  readonly workgroups: readonly [number, number, number]
}

// The values of GPUBufferUsage, GPUShaderStage and GPUMapMode, which exist as globals in browsers only.
const usage = { mapRead: 0x1, copySrc: 0x4, copyDst: 0x8, uniform: 0x40, storage: 0x80 } as const
const compute = 0x4
const mapRead = 0x1

const place = 'gpu.js, webgpu'

const noAdapter = (found: string): Fault =>
  fault('target', {
    place,
    found,
    allowed: 'a Vulkan, Metal or Direct3D 12 driver that the webgpu package accepts',
    remedy: 'install the Vulkan driver of your graphics card, or without a card that of Mesa 24 or newer; or choose --target gpujs:webasm',
  })

/** What a device reports about work that it was given. */
export const deviceFault = (what: string, message: string): Fault =>
  fault('target', {
    place: `${place}, ${what}`,
    found: message,
    allowed: 'work within the limits of the device',
    remedy: 'use a smaller batch or model, or another target; if the message names a shader, report it',
  })

/** A browser has WebGPU itself; elsewhere the webgpu package brings it. The object must be held while it is used. */
const openGpu = async (): Promise<GPU> => {
  const existing: unknown = Reflect.get(globalThis, 'navigator')
  if (typeof existing === 'object' && existing !== null && 'gpu' in existing && isGpu(existing.gpu)) return existing.gpu
  const { create } = await import('webgpu')
  return create([])
}

const isGpu = (gpu: unknown): gpu is GPU => typeof gpu === 'object' && gpu !== null && 'requestAdapter' in gpu

const openDevice = async (): Promise<{ readonly gpu: GPU; readonly adapter: GPUAdapter; readonly device: GPUDevice }> => {
  const gpu = await openGpu().catch((e: unknown) => Promise.reject(noAdapter(`the webgpu package does not load: ${messageOf(e)}`)))
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) throw noAdapter('no adapter')
  const { maxStorageBuffersPerShaderStage, maxStorageBufferBindingSize, maxBufferSize } = adapter.limits
  const device = await adapter.requestDevice({
    requiredLimits: { maxStorageBuffersPerShaderStage, maxStorageBufferBindingSize, maxBufferSize },
  })
  return { gpu, adapter, device }
}

/** Runs `work` and rejects with a Fault when the device reports an error about it. */
const checked = async <A>(device: GPUDevice, what: string, work: () => A): Promise<A> => {
  device.pushErrorScope('out-of-memory')
  device.pushErrorScope('validation')
  const result = work()
  const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()])
  const error = errors.find((e) => e !== null)
  if (error !== undefined && error !== null) throw deviceFault(what, error.message)
  return result
}

/** Opens the engine on the system's fastest adapter. */
export const openWebgpu = (): TE.TaskEither<Fault, Engine> =>
  TE.tryCatch(
    async () => engineOn(await openDevice()),
    (e) => (isFault(e) ? e : noAdapter(messageOf(e))),
  )

const engineOn = ({ gpu, adapter, device }: Awaited<ReturnType<typeof openDevice>>): Engine => {
  const limits: Limits = {
    // One binding is the output.
    maxInputs: device.limits.maxStorageBuffersPerShaderStage - 1,
    maxElements: Math.floor(Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize) / 4),
    matmulBlock: [4, 4],
    maxBlock: 64,
  }
  // What the device reports outside of any scope; the next wait for the device passes it on.
  const state: { fault: Fault | null; held: GPU | null; disposed: boolean } = { fault: null, held: gpu, disposed: false }
  const raise = (): void => {
    const found = state.fault
    state.fault = null
    if (found !== null) throw found
  }
  device.onuncapturederror = ({ error }) => {
    state.fault ??= deviceFault('device', error.message)
  }
  void device.lost.then(({ message }) => {
    if (!state.disposed) state.fault ??= deviceFault('device lost', message)
  })

  const slots = openSlots<WebgpuSlot>('webgpu')
  const buffers = new Set<GPUBuffer>()
  const layouts = layoutsOf(device)
  const patiently = patience()

  // By the whole text of the shader: nothing else goes into a pipeline.
  const pipelines = new Map<string, Promise<GPUComputePipeline>>()

  const pipelineOf = async (name: string, code: string, layout: GPUBindGroupLayout, inputs: number): Promise<GPUComputePipeline> => {
    const module = await checked(device, `kernel ${name}`, () => device.createShaderModule({ code }))
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    })
    await idleRun(device, pipeline, layout, inputs)
    return pipeline
  }

  const build = async (k: KernelSource, grid: Grid): Promise<Pipeline> => {
    const { code, parameters, workgroups } = wgsl(k, grid)
    const layout = layouts(k.args.length)
    const made = pipelines.get(code) ?? patiently(pipelineOf(k.name, code, layout, k.args.length))
    pipelines.set(code, made)
    return { pipeline: await made, layout, parameters, workgroups }
  }

  const program = (launches: ReadonlyArray<Bound<Pipeline, WebgpuSlot>>): { readonly run: () => Promise<void> } => {
    const parameters = joined(device.limits.minUniformBufferOffsetAlignment)
    const placed = launches.map((l) => ({ ...l, offset: parameters.add(l.compiled.code.parameters) }))
    const data = parameters.all()
    const own = device.createBuffer({ size: Math.max(4, data.byteLength), usage: usage.uniform | usage.copyDst })
    buffers.add(own)
    device.queue.writeBuffer(own, 0, data)
    const dispatches = placed.map(({ compiled: { code }, args, out, offset }) => {
      const sizes = { buffer: own, offset, size: code.parameters.byteLength }
      return {
        ...code,
        group: groupOf(
          device,
          code.layout,
          sizes,
          [...args, out].map(({ buffer }) => ({ buffer })),
        ),
      }
    })
    const record = (): void => {
      const encoder = device.createCommandEncoder()
      const pass = encoder.beginComputePass()
      for (const { pipeline, group, workgroups } of dispatches) {
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, group)
        pass.dispatchWorkgroups(...workgroups)
      }
      pass.end()
      device.queue.submit([encoder.finish()])
    }
    return {
      run: async () => {
        await checked(device, 'run', record)
        await patiently(device.queue.onSubmittedWorkDone())
        raise()
      },
    }
  }

  return {
    mode: 'webgpu',
    limits,
    describe: [adapter.info.vendor, adapter.info.architecture, adapter.info.description].filter((s) => s !== '').join(' '),
    memory: 'own',
    slot: (length) => {
      if (length > limits.maxElements) throw deviceFault('slot', `${length} floats, the device allows ${limits.maxElements}`)
      const buffer = device.createBuffer({ size: Math.max(length, 1) * 4, usage: usage.storage | usage.copySrc | usage.copyDst })
      buffers.add(buffer)
      return slots.add({ length, buffer })
    },
    write: (slot, data) => {
      const { buffer } = slots.forWriting(slot, data.length)
      // memory that threads share is copied: a device may write it later than the call
      const own = data.buffer instanceof SharedArrayBuffer ? data.slice() : data
      device.queue.writeBuffer(buffer, 0, own.buffer, own.byteOffset, own.byteLength)
    },
    read: async (slot) => patiently(readBuffer(device, slots.get(slot))).finally(raise),
    compile: compiler('webgpu', limits, build, slots.find, program),
    dispose: () => {
      state.disposed = true
      buffers.forEach((buffer) => {
        buffer.destroy()
      })
      device.destroy()
      // only when it has reported that, as the package looks for events of an object that may be collected already
      void device.lost.then(() =>
        setImmediate(() => {
          state.held = null
        }),
      )
    },
  }
}

/** Bind group layouts by number of arguments, made once each. */
const layoutsOf = (device: GPUDevice): ((inputs: number) => GPUBindGroupLayout) => {
  const made = new Map<number, GPUBindGroupLayout>()
  return (inputs) => {
    const known = made.get(inputs)
    if (known !== undefined) return known
    const types: ReadonlyArray<GPUBufferBindingType> = [...Array.from({ length: inputs }, () => 'read-only-storage' as const), 'storage']
    const layout = device.createBindGroupLayout({
      entries: [
        { binding: parametersBinding, visibility: compute, buffer: { type: 'uniform' } },
        ...types.map((type, n): GPUBindGroupLayoutEntry => ({ binding: firstBinding + n, visibility: compute, buffer: { type } })),
      ],
    })
    made.set(inputs, layout)
    return layout
  }
}

/** Arrays one behind the other, each once and at a multiple of `step` bytes. */
const joined = (step: number): { readonly add: (data: Uint32Array) => number; readonly all: () => Uint32Array<ArrayBuffer> } => {
  const offsets = new Map<Uint32Array, number>()
  let end = 0
  return {
    add: (data) => {
      const known = offsets.get(data)
      if (known !== undefined) return known
      const at = end
      offsets.set(data, at)
      end = at + Math.ceil(data.byteLength / step) * step
      return at
    },
    all: () => {
      const all = new Uint32Array(end / 4)
      for (const [data, at] of offsets) all.set(data, at / 4)
      return all
    },
  }
}

const groupOf = (
  device: GPUDevice,
  layout: GPUBindGroupLayout,
  parameters: GPUBufferBinding,
  buffers: ReadonlyArray<GPUBufferBinding>,
): GPUBindGroup =>
  device.createBindGroup({
    layout,
    entries: [
      { binding: parametersBinding, resource: parameters },
      ...buffers.map((resource, n) => ({ binding: firstBinding + n, resource })),
    ],
  })

/** Bytes of a uniform buffer that every device has room for. */
const idleBytes = 65536

/**
 * Runs a pipeline over nothing: its sizes are zeros, so every thread ends at once. Mesa's software driver translates a shader to the
 * processor's instructions when it first runs, which takes it hundreds of milliseconds; this is part of compiling, not of a step.
 */
const idleRun = async (device: GPUDevice, pipeline: GPUComputePipeline, layout: GPUBindGroupLayout, inputs: number): Promise<void> => {
  const sizes = device.createBuffer({ size: idleBytes, usage: usage.uniform })
  const slots = Array.from({ length: inputs + 1 }, () => device.createBuffer({ size: 4, usage: usage.storage }))
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.setBindGroup(
    0,
    groupOf(
      device,
      layout,
      { buffer: sizes },
      slots.map((buffer) => ({ buffer })),
    ),
  )
  pass.dispatchWorkgroups(1)
  pass.end()
  device.queue.submit([encoder.finish()])
  await device.queue.onSubmittedWorkDone()
  for (const buffer of [sizes, ...slots]) buffer.destroy()
}

const readBuffer = async (device: GPUDevice, { buffer, length }: WebgpuSlot): Promise<Float32Array> => {
  const staging = device.createBuffer({ size: buffer.size, usage: usage.mapRead | usage.copyDst })
  const encoder = device.createCommandEncoder()
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size)
  device.queue.submit([encoder.finish()])
  await staging.mapAsync(mapRead)
  const data = new Float32Array(staging.getMappedRange().slice(0, length * 4))
  staging.destroy()
  return data
}
