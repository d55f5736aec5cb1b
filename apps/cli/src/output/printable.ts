/** Text from elsewhere (names, paths, log lines) without the control bytes that could steer a terminal. Line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
