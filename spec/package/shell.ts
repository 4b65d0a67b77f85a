/** Commands as somebody types them in a folder of their own. */
import { execFile } from 'node:child_process'

export interface Said {
  readonly code: number | string | null
  readonly out: string
  readonly err: string
}

/** What `npm test` says of this repository to the commands that it starts does not hold in another folder. */
const inner = /^(npm_(package|lifecycle|config_(local_)?prefix)|INIT_CWD|NODE_OPTIONS|VITEST)/

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !inner.test(name)))

/** Runs a command in a folder, and waits for it; what it said, whatever came of it. */
export const runIn =
  (folder: string) =>
  (command: string, ...words: ReadonlyArray<string>): Promise<Said> =>
    new Promise((done) => {
      execFile(command, words, { cwd: folder, env: environment, maxBuffer: 2 ** 26 }, (error, out, err) => {
        done({ code: error === null ? 0 : (error.code ?? null), out, err })
      })
    })
