/** The parts of the page that come when they are asked for, each one file: shared code is small in few large files. */
/** Once there is nothing better to do: opening a launch then waits for its data alone. */
export const fetchSoon = (): void => { (window.requestIdleCallback ?? ((f: () => void) => setTimeout(f, 1500)))(() => void results().catch(() => { /* asked for again when it is needed */ })); };
export const results = (): Promise<typeof import('./groups/results')> => import('./groups/results');
export const plan = (): Promise<typeof import('./groups/plan')> => import('./groups/plan');
export const people = (): Promise<typeof import('./groups/people')> => import('./groups/people');
