/** What a run has written of its steps. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'

const line = t.type({ loss: t.number })

/** Losses by step. */
export const lossesIn = async (out: string): Promise<ReadonlyArray<number>> =>
  (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((text) => {
      const read = line.decode(JSON.parse(text))
      return E.isRight(read) ? read.right.loss : NaN
    })
