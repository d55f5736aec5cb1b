/** Exit codes, as istioctl and sysexits use them; they never depend on the output format. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  badInput: 65,
  unreachable: 69,
  bug: 70,
  timeout: 75,
  notPermitted: 77,
  problems: 79,
  noProgram: 127,
  interrupted: 130,
} as const;

const BY_CODE: Readonly<Record<string, number>> = {
  WEFT_USAGE: EXIT.usage,
  WEFT_BAD_INPUT: EXIT.badInput,
  WEFT_NO_FILE: EXIT.badInput,
  WEFT_NOT_RUNNING: EXIT.unreachable,
  WEFT_UNREACHABLE: EXIT.unreachable,
  WEFT_TIMEOUT: EXIT.timeout,
  WEFT_NOT_PERMITTED: EXIT.notPermitted,
  WEFT_NO_PROGRAM: EXIT.noProgram,
};

export const exitCodeOf = (code: string): number => BY_CODE[code] ?? EXIT.failed;
