// Components are shown here without the way in that loads their words.
import '#client/lib/messages/app-texts.ts';
