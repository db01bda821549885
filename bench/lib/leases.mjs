/** How many are taken or given back at a time: thousands of questions at once would run into the contenders' own deadlines. */
const atOnce = 500;

/** Takes all names; resolves with a function that gives them all back. `take` resolves with a function for its own. */
export async function takeAll(names, take) {
  const releases = await inPortions(names, take);
  return () => inPortions(releases, (release) => release());
}

async function inPortions(all, act) {
  const results = [];
  for (let i = 0; i < all.length; i += atOnce)
    results.push(...(await Promise.all(all.slice(i, i + atOnce).map((each) => act(each)))));
  return results;
}

/** For libraries that renew only around a callback: a callback that stays until it is told to leave. */
export function staying(using) {
  return (name) =>
    new Promise((resolve, reject) => {
      const over = using(
        name,
        () =>
          new Promise((leave) => {
            resolve(() => {
              leave();
              return over;
            });
          }),
      );
      over.catch(reject);
    });
}
