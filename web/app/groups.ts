/** What of the page comes when it is asked for, in one file: shared code is small in few large files. */
export const rest = (): Promise<typeof import('./groups/rest')> => import('./groups/rest');
/** Once there is nothing better to do: opening a launch then waits for its data alone. */
export const fetchSoon = (): void => { (window.requestIdleCallback ?? ((f: () => void) => setTimeout(f, 1500)))(() => void rest().catch(() => { /* asked for again when it is needed */ })); };
