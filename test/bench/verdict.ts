let missed = 0

/** Prints a figure, and whether it meets its target if it has one. */
export function verdict(what: string, isMet: boolean, target: string): void {
  if (!isMet) missed++
  console.log(`${isMet ? 'ok    ' : 'MISSED'} ${what}${target && `   target ${target}`}`)
}

/** Prints how many targets were missed. @returns whether none was */
export function allMet(): boolean {
  console.log(missed ? `${missed} targets missed` : 'all targets met')
  return missed === 0
}
