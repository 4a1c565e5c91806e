// A script of its own, loaded with the sync engine: the words of the app become known when it is there.
import { addTexts } from '../i18n.ts';
import { enApp } from './en-app.ts';

addTexts(enApp);
