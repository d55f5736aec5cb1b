export { FakeClock } from './fake-clock.ts';
export { freePort } from './free-port.ts';
export { tempDir, type TempDir } from './temp-dir.ts';
export { waitFor } from './wait-for.ts';
export { createTestAuthority, type TestAuthority, type TestSecret } from './test-authority.ts';
