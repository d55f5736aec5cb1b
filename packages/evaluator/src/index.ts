export { compileRoutes } from './routes.ts';
export type { RouteDeps } from './routes.ts';
export type { CompiledRoute, PackedConfig, RouteMatch, RouteTable, RouteTracing } from './route-table.ts';
export type {
  DirectResponse,
  ForwardAction,
  HashPolicy,
  MirrorPolicy,
  RedirectAction,
  RegexRewrite,
  RouteDecision,
} from './route-action.ts';
export type { RateLimitedBackoff, RetryPolicy } from './retry-policy.ts';
export { compileMutations, type HeaderMutation } from './header-mutations.ts';
export { compileHeaderMatcher, queryParameter, type RequestTest } from './header-matcher.ts';
export { fractionOf, type PathRule } from './route-match.ts';
export { redirectLocation, rewritePath } from './rewrite.ts';
export { compileRbac, type CompiledRbac, type RbacVerdict } from './rbac.ts';
export type { AuthorizationFacts, DrawSource, RequestFacts } from './facts.ts';
export { compileStringMatcher, type TextTest } from './string-matcher.ts';
export {
  compileRateLimits,
  entryText,
  type DescribedRequest,
  type RateLimitRule,
  type RateLimitRules,
} from './rate-limits.ts';
export { createRegexEngine, type CompiledRegex, type RegexEngine } from './regex.ts';
export { cidrTest, parseAddress, type AddressWords } from './ip.ts';
export { ConfigRejectedError, type Place } from './rejected.ts';
export { withoutPort } from './hosts.ts';
