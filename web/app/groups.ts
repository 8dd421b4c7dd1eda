/** The parts of the page that come when they are asked for, each one file: shared code is small in few large files. */
/** Once there is nothing better to do: opening a launch then waits for its data alone. */
export const fetchSoon = (): void => { (window.requestIdleCallback ?? ((f: () => void) => setTimeout(f, 1500)))(() => void results().catch(() => { /* asked for again when it is needed */ })); };
export const results = (): Promise<typeof import('./groups/results')> => import('./groups/results');
export const desk = (): Promise<typeof import('./groups/desk')> => import('./groups/desk');
