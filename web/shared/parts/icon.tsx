const paths = {
  overview: 'M4 5h7v8H4zM13 5h7v5h-7zM13 12h7v7h-7zM4 15h7v4H4z',
  seats: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c0-3.6 3.4-5.5 7.5-5.5s7.5 1.9 7.5 5.5z',
  named:
    'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 19.500c0-3.500 3-5.500 7-5.500 1.300 0 2.500.2 3.500.6L11 18v2H2zM20.500 12l2 2-6.500 6.500H14v-2z',
  denials:
    'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2.4c1.5 0 2.900.5 4 1.300L6.700 16A6.600 6.600 0 0 1 12 5.400zm0 13.200c-1.500 0-2.900-.5-4-1.300L17.300 8A6.600 6.600 0 0 1 12 18.600z',
  whatIf: 'M3 6h9v2H3zm13 0h5v2h-5zM12.500 4h3v6h-3zM3 16h4v2H3zm8 0h10v2H11zM7.500 14h3v6h-3z',
  keys: 'M15 3a6 6 0 0 0-5.800 7.600L3 16.800V21h4.200v-2.500h2.500V16h2l1.500-1.500A6 6 0 1 0 15 3zm1.500 6.200a1.700 1.700 0 1 1 0-3.400 1.700 1.700 0 0 1 0 3.400z',
  about: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm1 13.500h-2V11h2zm0-7h-2v-2h2z',
  request: 'M5 3h9l5 5v4h-2V9h-4V5H7v14h5v2H5zm11 10h2v4h3l-4 4-4-4h3z',
  history:
    'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm-1 2.500v5.300l4 2.400 1-1.600-3-1.800V7.500z',
  customers:
    'M4 21V4h9v4h7v13h-6v-4h-2v4zm2-13h2V6H6zm3 0h2V6H9zm-3 4h2v-2H6zm3 0h2v-2H9zm-3 4h2v-2H6zm3 0h2v-2H9zm6-4h3v-2h-3zm0 4h3v-2h-3z',
  warning: 'M12 3 1.800 20.500h20.400zm1 14.500h-2v-2h2zm0-3.500h-2V9.500h2z',
  ok: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm-1.300 13.300L6.600 12.200 8 10.800l2.700 2.700L16 8.200l1.400 1.400z',
} as const;
export type IconName = keyof typeof paths;

/** A small picture beside words; never alone, so it is hidden from screen readers. */
export const Icon = ({ name }: { name: IconName }) => (
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d={paths[name]} fill="currentColor" fill-rule="evenodd" />
  </svg>
);
