/** What Bookinfo's pages tell. */

/** The reviews version that a page came from. */
export function versionOf(body: string): 'v1' | 'v2' | 'v3' {
  if (/color="red"|class="[^"]*red/.test(body)) return 'v3';
  return /★|glyphicon-star|class="[^"]*star/.test(body) ? 'v2' : 'v1';
}

export const withoutReviews = (body: string): boolean =>
  body.includes('Sorry, product reviews are currently unavailable');
