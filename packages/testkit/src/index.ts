export { FakeClock } from './fake-clock.ts';
export { freePort } from './free-port.ts';
export { tempDir, type TempDir } from './temp-dir.ts';
export { waitFor } from './wait-for.ts';
export { createTestAuthority, type TestAuthority, type TestSecret } from './test-authority.ts';
export { createCuttingRelay, type Cut, type CuttingRelay, type CutWay, type Passed } from './cutting-relay.ts';
export { http1Phase, http2Phase, type Phase } from './message-phase.ts';
