const NAMES = [
  'OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied',
  'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss',
  'Unauthenticated',
] as const; // prettier-ignore

const snake = (name: string): string => name.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase();

/** In Envoy's three forms; the first is the default. */
export function formatGrpcStatus(status: number | undefined, form: string): string | number | undefined {
  if (status === undefined || form === 'NUMBER') return status;
  const name = NAMES[status];
  if (name === undefined) return String(status);
  return form === 'SNAKE_STRING' ? snake(name) : name;
}
