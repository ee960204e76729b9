// What the dashboard's modules must not do, besides what eslint recommends. Undefined names and types are tsc's.
import js from '@eslint/js';

const html = 'Data becomes text and attributes by `h` of dom.js, never HTML.';

export default [
    js.configs.recommended,
    {
        languageOptions: { ecmaVersion: 2023, sourceType: 'module' },
        linterOptions: { reportUnusedDisableDirectives: 'error' },
        rules: {
            'no-undef': 'off',
            'no-unused-vars': ['error', { args: 'all', caughtErrors: 'all' }],
            'consistent-return': 'error',
            'curly': ['error', 'multi-line'],
            'eqeqeq': 'error',
            'no-alert': 'error',
            'no-console': 'error',
            'no-eval': 'error',
            'no-implied-eval': 'error',
            'no-new-func': 'error',
            'no-param-reassign': 'error',
            'no-promise-executor-return': 'off',
            'no-shadow': 'off',
            'no-var': 'error',
            'object-shorthand': 'error',
            'prefer-const': 'error',
            'prefer-template': 'error',
            'no-restricted-globals': ['error',
                { name: 'fetch', message: 'Only api.js asks the API.' },
                { name: 'localStorage', message: 'What a session knows lives as long as its tab: session.js.' },
                { name: 'sessionStorage', message: 'What a session knows is kept by session.js.' },
                { name: 'DOMParser', message: html }],
            'no-restricted-properties': ['error',
                ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'setHTMLUnsafe', 'createContextualFragment', 'srcdoc'].map((property) => ({ property, message: html })),
                { object: 'document', property: 'write', message: html },
                { object: 'document', property: 'cookie', message: 'There are no cookies.' }],
        },
    },
    { files: ['**/api.js'], rules: { 'no-restricted-globals': 'off' } },
    { files: ['**/session.js'], rules: { 'no-restricted-globals': 'off' } },
];
