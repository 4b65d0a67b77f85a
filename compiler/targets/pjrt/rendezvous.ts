/**
 * Where the processes of one client meet, one of each machine: a folder that all of them see. They come at different times, and the folder
 * may hold what an earlier run has left; what they tell each other after that lies in a folder of this meeting alone (rendezvous.c).
 */
import { randomUUID } from 'node:crypto'
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { makeFolder } from '../../../core/folder.ts'
import type { Call } from '../foreign.ts'
import { keepLoaded, koffi } from '../foreign.ts'
import { findCompiler, libraryOf } from '../native/compiler.ts'

/** One process of several that are one client. */
export interface Place {
  readonly node: number
  readonly nodes: number
  /** A folder that all of them see, and no other run. */
  readonly folder: string
  /** Seconds within which all of them come. */
  readonly patience: number
}

/** What a client is made with among others: who it is, and the callbacks that answer it, as addresses of C functions. */
export interface Meeting {
  readonly node: number
  readonly nodes: number
  /** Of this meeting alone. */
  readonly folder: string
  readonly get: bigint
  readonly put: bigint
  readonly tryGet: bigint
}

const source = fileURLToPath(new URL('rendezvous.c', import.meta.url))

/** Milliseconds between looks at the folder. */
const pause = 50

const Invitation = t.type({ words: t.array(t.string), session: t.string })

const textAt = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')

/** What a file of JSON says; nothing where there is none, or one of another kind. */
const parsed = async (path: string): Promise<unknown> => {
  const text = await textAt(path)
  return pipe(
    E.tryCatch(
      (): unknown => JSON.parse(text),
      () => undefined,
    ),
    E.getOrElse((): unknown => undefined),
  )
}

const missing = ({ folder, nodes, patience }: Place, who: ReadonlyArray<number>): Fault =>
  fault('target', {
    place: folder,
    found: `process ${who.join(', ')} of ${nodes} has not come here within ${patience} seconds`,
    allowed: 'a folder that all machines of the run see',
    remedy: 'see what the others are doing, and whether the folder is on a file system that all machines share',
  })

/** Says something to the others: who reads it finds all of it. */
const tell = async (path: string, text: string): Promise<void> => {
  const own = `${path}.${randomUUID()}`
  await writeFile(own, text)
  await rename(own, path)
}

/**
 * The name of the meeting, the same in all processes. Each says a word of its own that nobody has said before. The first one invites those
 * who have said the words that it reads; who finds its own word in the invitation accepts it; and when all have, it begins. Words and
 * acceptances of an earlier run are nobody's: a new invitation follows where a word is another by now.
 */
const agree = async (p: Place, word: string): Promise<Either<Fault, string>> => {
  const { folder, node, nodes } = p
  const at = (name: string): string => join(folder, name)
  const all = Array.from({ length: nodes }, (_, i) => i)
  const end = performance.now() + 1000 * p.patience
  await tell(at(`word-${node}`), word)
  let invited = { words: '', session: '' }
  let accepted = ''
  for (let late: ReadonlyArray<number> = []; ;) {
    if (node === 0) {
      const words = await Promise.all(all.map((i) => textAt(at(`word-${i}`))))
      if (words.every((w) => w !== '') && words.join() !== invited.words) {
        invited = { words: words.join(), session: `meeting-${randomUUID()}` }
        await makeFolder(at(invited.session))
        await tell(at('invitation'), JSON.stringify({ words, session: invited.session }))
      }
      const answers = await Promise.all(all.map(async (i) => (i === 0 ? invited.session : textAt(at(`answer-${i}`)))))
      late = all.filter((i) => words[i] === '' || (invited.session !== '' && answers[i] !== invited.session))
      if (invited.session !== '' && late.length === 0) {
        await tell(at('begun'), invited.session)
        return E.right(invited.session)
      }
    } else {
      const read = Invitation.decode(await parsed(at('invitation')))
      if (E.isRight(read) && read.right.words[node] === word && read.right.session !== accepted) {
        accepted = read.right.session
        await tell(at(`answer-${node}`), accepted)
      }
      if (accepted !== '' && (await textAt(at('begun'))) === accepted) return E.right(accepted)
      late = [0]
    }
    if (performance.now() > end) return E.left(missing(p, late))
    await delay(pause)
  }
}

/** What earlier meetings have left. */
const cleared = async (folder: string, session: string): Promise<void> => {
  for (const name of await readdir(folder))
    if (name.startsWith('meeting-') && name !== session) await rm(join(folder, name), { recursive: true, force: true })
}

/** The callbacks, compiled once for a machine. */
const callbacks = async (): Promise<Either<Fault, Omit<Meeting, 'node' | 'nodes' | 'folder'>>> => {
  const compiler = await findCompiler()
  if ('_tag' in compiler) return E.left(compiler)
  const path = await libraryOf(compiler, 'rendezvous', [await readFile(source, 'utf8')])
  if (typeof path !== 'string') return E.left(path)
  const library = koffi.load(path)
  keepLoaded(path)
  const addresses: Call = library.func('void dg_kv_addresses(void *three)')
  const three = new BigInt64Array(3)
  addresses(three)
  const [get, put, tryGet] = three
  return E.right({ get, put, tryGet })
}

/** Waits for all processes of a run. Faults: no C compiler; a folder that cannot be written; who has not come in time. */
export const meet =
  (p: Place): TaskEither<Fault, Meeting> =>
  async () => {
    try {
      await makeFolder(p.folder)
      const store = await callbacks()
      if (E.isLeft(store)) return store
      const session = await agree(p, randomUUID())
      if (E.isLeft(session)) return session
      if (p.node === 0) await cleared(p.folder, session.right)
      return E.right({ node: p.node, nodes: p.nodes, folder: join(p.folder, session.right), ...store.right })
    } catch (e) {
      return E.left(
        fault('target', {
          place: p.folder,
          found: messageOf(e),
          allowed: 'a folder that all machines of the run see, and may write to',
          remedy: 'name a folder on a file system that all of them share',
        }),
      )
    }
  }
