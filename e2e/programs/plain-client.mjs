// Knows a URL and nothing else: calls it again and again, and says what came.
const [url = ''] = process.argv.slice(2);
for (;;) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    console.log(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  } catch (error) {
    console.log(`failed ${error.cause?.code ?? error.message}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
}
