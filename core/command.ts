/** How commands of this package are typed, for help and hints. */

/** Where this file is TypeScript it stands in a checkout, whose scripts start commands; where it was compiled, in an installed package. */
const isCheckout = new URL(import.meta.url).pathname.endsWith('.ts')

/** A command as one can type it here; options may follow. */
export const commandLine = (command: string): string => (isCheckout ? `npm run ${command} --` : `npx dinograph ${command}`)

/** Whether tsx reads what this process loads. */
export const isUnderTsx = (execArgv: ReadonlyArray<string> = process.execArgv): boolean =>
  execArgv.some((word) => /[\\/]tsx[\\/]|^tsx$/.test(word))
