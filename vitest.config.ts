import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

const here = fileURLToPath(new URL('.', import.meta.url))

/** Rooms of spec whose files open no device and leave their environment as it is. */
const alone = 'spec/{data,errors,golden,huggingface,laws,losses,models,ops,rooms,rules,strategies}/**/*.test.ts'

/** What runs whole families of programs on every target takes longest: it begins first, so that no core waits for it at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => /\/(parity\.test|[\w-]+-graphs\.test)\.ts$/.test(moduleId)
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((f) => !isLong(f))]
  }
}

export default defineConfig({
  // the faces of the rooms by their public names, as `paths` in tsconfig.json says
  resolve: {
    alias: [
      { find: /^dinograph$/, replacement: `${here}index.ts` },
      { find: /^dinograph\/(\w+)$/, replacement: `${here}$1/index.ts` },
    ],
  },
  test: {
    projects: [
      // what runs programs and targets: each file in a process of its own
      { extends: true, test: { name: 'programs', include: ['spec/**/*.test.ts'], exclude: [alone] } },
      // files that share a process, which has the language's modules loaded and its code warm
      { extends: true, test: { name: 'language', include: [alone], isolate: false } },
    ],
    setupFiles: ['spec/support/equality.ts'],
    sequence: { sequencer: LongestFirst },
    // many files wait for processes of their own: two at a time, also on two cores
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // graphs are many small objects, most of which do not live long: a seventh of the time of such files
    execArgv: ['--max-semi-space-size=64'],
    // nothing asserts a time: this only ends what hangs, also on a loaded machine
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
