"""Practice split: animals, garden, car, babies, medicines, kitchen, repairs; written for this suite."""

QUESTIONS = r"""
Can my dog have grapes?
  = question form: I'd like to know whether my dog can have grapes.
  = reworded: Are grapes something that I may feed to my dog?
  = typos: Can my dog have graeps?
  ! near words: grapes → crepes
  ! topic: my dog → my tortoise

How many times a day should a puppy of 4 months be fed?
  = number words: 4 months → four months
  = voice: How many times a day should I feed a puppy of 4 months?
  = reworded: How many meals a day does a puppy need at the age of 4 months?
  ! numbers: 4 months → 14 months
  ! units: 4 months → 4 weeks
  ! question word: How many times a day → With what

My rabbit won't drink any water. What could be the cause?
  = kept negation: won't drink any water → refuses to drink water
  = contraction: won't → will not
  = politeness: What could be the cause? → What could be the cause? Thanks in advance!
  ! question word: What could be the cause → What should I do now
  ! topic: drink any water → eat any hay

Do cats and dogs need to be vaccinated against rabies to enter Ireland?
  = word order: cats and dogs → dogs and cats
  = word order: To enter Ireland, do cats and dogs need to be vaccinated against rabies?
  = nominalisation: Do cats and dogs need a rabies vaccination to enter Ireland?
  ! direction: enter → leave
  ! near words: Ireland → Iceland
  ! tense: Do cats and dogs need → Did cats and dogs formerly need

Which shrubs shouldn't be pruned in autumn?
  = contraction: shouldn't → should not
  = voice: Which shrubs shouldn't I prune in autumn?
  = synonyms: be pruned → be cut back
  ! negation: shouldn't → should
  ! antonyms: autumn → spring
  ! quantifiers: Which shrubs shouldn't → Is it true that no shrubs should

How deep do tulip bulbs have to be planted?
  = nominalisation: What planting depth do tulip bulbs need?
  = synonyms: How deep must tulip bulbs be planted?
  = question form: planting depth of tulip bulbs?
  ! question word: How deep → When
  ! topic: tulip → lily
  ! comparatives: How deep at the very most may tulip bulbs be planted?

The leaves of my tomato plant are turning yellow. Is that from too much water?
  = nominalisation: The leaves of my tomato plant are turning yellow. Is that from overwatering?
  = reworded: Is it because I water my tomato plant too much that its leaves are going yellow?
  = typos: The leafs of my tomatoe plant are turning yelow. Is that from too much water?
  ! antonyms: too much → too little
  ! topic: turning yellow → curling up

How soon can I mow a newly sown lawn for the first time?
  = voice: How soon can a newly sown lawn be mown for the first time?
  = nominalisation: How soon can I give a newly sown lawn its first mow?
  = reworded: How soon after sowing can a lawn have its first cut?
  ! topic: mow → fertilise
  ! question word: How soon → With which machine
  ! scope: a newly sown lawn → a lawn of new turf

Are slug pellets dangerous to hedgehogs?
  = nominalisation: Do slug pellets pose a danger to hedgehogs?
  = synonyms: dangerous → harmful
  = typos: Are slug pelets dangrous to hedgehogs?
  ! quantifiers: slug pellets → all slug pellets
  ! topic: hedgehogs → earthworms

Can citrus peel go on the compost heap?
  = reworded: Is it OK to throw the peel of lemons and other citrus fruit on the compost?
  = question form: Citrus peel on the compost heap – yes or no?
  = politeness: Hi there, can citrus peel go on the compost heap?
  ! topic: citrus peel → cooked meat
  ! near words: peel → pips
  ! quantifiers: citrus peel → nothing but citrus peel

After how many km does the gearbox oil have to be changed?
  = unit spelling: km → kilometres
  = voice: After how many km do I have to change the gearbox oil?
  = nominalisation: After how many km is a change of the gearbox oil due?
  ! units: km → years
  ! topic: gearbox oil → timing belt

What tyre pressure in bar is right for the front wheels of a fully loaded car?
  = synonyms: right → correct
  = word order: For the front wheels of a fully loaded car, what tyre pressure in bar is right?
  = abbreviation: What tyre pressure in bar is right → Right tyre press. in bar
  ! units: bar → psi
  ! antonyms: front → rear
  ! negation: a fully loaded car → an unladen car

Why does my car battery go flat overnight when nothing is switched on?
  = kept negation: when nothing is switched on → when everything is switched off
  = synonyms: go flat → run down
  = typos: Why does my car batery go flat over night when nothing is swiched on?
  ! quantifiers: when nothing is → when something is
  ! topic: car battery → phone battery

I put diesel into my petrol car. May I still start the engine?
  = voice: Diesel was put into my petrol car. May the engine still be started?
  = synonyms: May I still → Am I still allowed to
  = question form: Put diesel in a petrol car, start the engine anyway?
  ! direction: I put petrol into my diesel car. May I still start the engine?
  ! modality: May I still start the engine → Must I start the engine
  ! topic: start the engine → sell it

At what tread depth in mm must winter tyres be replaced?
  = unit spelling: mm → millimetres
  = kept negation: At what tread depth in mm may winter tyres no longer be used?
  ! antonyms: winter → summer
  ! units: mm → inches

From what age can babies have honey?
  = reworded: How old does a baby have to be before it is given honey?
  = typos: From what age can babys have hunny?
  = question form: Tell me from what age babies can have honey.
  ! topic: honey → cow's milk
  ! question word: From what age can → Why can't
  ! quantifiers: honey → unlimited honey

How warm should bath water be for a newborn, in °C?
  = nominalisation: What temperature in °C should the bath water of a newborn have?
  = unit spelling: °C → degrees Celsius
  = politeness: Sorry for the silly question, but how warm should bath water be for a newborn, in °C?
  ! units: °C → °F
  ! topic: a newborn → a goldfish
  ! comparatives: How warm should bath water be → How warm may bath water be at most

Isn't screen time harmful for toddlers under 2?
  = contraction: Isn't screen time → Is screen time not
  = number words: 2 → two
  = nominalisation: Doesn't screen time do harm to toddlers under 2?
  ! comparatives: under 2 → over 2
  ! antonyms: harmful → helpful
  ! topic: screen time → daytime sleep

Can this medicine make me sleepy?
  = nominalisation: Can this medicine cause sleepiness?
  = synonyms: sleepy → drowsy
  = voice: Can I be made sleepy by this medicine?
  ! antonyms: make me sleepy → keep me awake
  ! scope: make me sleepy → make me sleepy when I stop it

I'm pregnant. Can I take cetirizine for hay fever?
  = contraction: I'm → I am
  = nominalisation: Can I take cetirizine for hay fever during my pregnancy?
  = word order: Can I take cetirizine for hay fever? I'm pregnant.
  ! near words: cetirizine → cinnarizine
  ! negation: I'm pregnant → I'm not pregnant
  ! direction: I take cetirizine for hay fever. Can I become pregnant?

How many drops go into each eye, and how many times a day?
  = voice: How many drops do I put into each eye, and how many times a day?
  = word order: How many times a day do drops go into each eye, and how many?
  = abbreviation: and how many times a day → and how many times/day
  ! topic: each eye → each ear
  ! quantifiers: each eye → both eyes together
  ! units: a day → a week

Must this vaccine be kept at 2 to 8 °C?
  = unit spelling: 2 to 8 °C → 2 to 8 degrees Celsius
  = synonyms: kept → stored
  = voice: Must I keep this vaccine at 2 to 8 °C?
  ! units: °C → °F
  ! tense: Must this vaccine be → Has this vaccine been
  ! modality: Must → May
  ! scope: this vaccine → this vaccine, once diluted,

Does hydralazine lower the blood pressure?
  = nominalisation: Does hydralazine lead to a lowering of the blood pressure?
  = voice: Is the blood pressure lowered by hydralazine?
  = abbreviation: the blood pressure → the BP
  ! near words: hydralazine → hydroxyzine
  ! antonyms: lower → raise

What are the signs that a diabetic's blood sugar is too low?
  = reworded: How can I tell that someone with diabetes has too little sugar in the blood?
  = question form: List the signs that a diabetic's blood sugar is too low.
  = typos: What are the sings that a diabetics blood suger is too low?
  ! antonyms: too low → too high
  ! question word: What are the signs that → What should I do if
  ! topic: sugar → iron

Do I have to finish the whole course of amoxicillin once I feel better?
  = word order: Once I feel better, do I have to finish the whole course of amoxicillin?
  = synonyms: Do I have to finish → Must I complete
  = reworded: Even when I'm well again, must I take amoxicillin to the end of the prescribed course?
  ! antonyms: better → worse
  ! modality: Do I have to → Can I
  ! names: amoxicillin → ibuprofen

How long does opened milk keep in the fridge?
  = question form: Shelf life of opened milk in the fridge?
  = kept negation: How long does it take until opened milk is no longer good in the fridge?
  = abbreviation: the fridge → the refrigerator
  ! negation: opened → unopened
  ! near words: fridge → freezer
  ! comparatives: Does opened milk keep longer in the fridge than opened cream?

What does error code E18 on the washing machine mean?
  = nominalisation: What is the meaning of error code E18 on the washing machine?
  = voice: What is meant by error code E18 on the washing machine?
  = politeness: What does error code E18 on the washing machine mean? Cheers!
  ! identifiers: E18 → E81
  ! question word: How do I clear error code E18 on the washing machine?
  ! topic: washing machine → dishwasher

How do I descale the coffee machine without vinegar?
  = kept negation: without vinegar → if I don't use vinegar
  = reworded: How does the limescale in the coffee machine come off when vinegar is not to be used?
  = nominalisation: How does the descaling of the coffee machine work without vinegar?
  ! negation: without → with
  ! topic: coffee machine → shower head

Is it the hot or the cold tap that goes on the left?
  = reworded: Which of the two taps is mounted on the left: hot or cold?
  = word order: the hot or the cold tap → the cold or the hot tap
  ! antonyms: left → right
  ! topic: that goes on the left → that has to be shut first

Is a permit needed for the installation of a heat pump?
  = nominalisation: Is a permit needed to install a heat pump?
  = synonyms: needed → required
  = voice: Do I need a permit for the installation of a heat pump?
  ! near words: installation → insulation
  ! antonyms: installation → removal
  ! tense: Is a permit → Before 2020, was a permit

What can be cooked with half a dozen eggs and nothing else?
  = number words: half a dozen → 6
  = kept negation: nothing else → no other ingredient
  = voice: What can I cook with half a dozen eggs and nothing else?
  ! numbers: half a dozen → a dozen
  ! negation: and nothing else → and whatever else there is
  ! topic: eggs → potatoes

How many ml are in a tablespoon?
  = abbreviation: tablespoon → tbsp
  = unit spelling: ml → millilitres
  = reworded: What does a tablespoon hold in ml?
  ! near words: tablespoon → teaspoon
  ! direction: How many tablespoons are in a ml?
  ! units: ml → cups

Should the wall be sanded before it is painted?
  = voice: Should I sand the wall before I paint it?
  = nominalisation: Should the wall be sanded before painting?
  = word order: Before it is painted, should the wall be sanded?
  ! direction: before → after
  ! near words: wall → well
  ! tense: Was the wall sanded before it was painted?

Which glue holds on both glass and metal?
  = word order: glass and metal → metal and glass
  = synonyms: glue → adhesive
  = question form: Looking for a glue that holds on both glass and metal.
  ! negation: holds on both glass and metal → holds on neither glass nor metal
  ! scope: both glass and metal → glass but not on metal

Why isn't my dishwasher draining?
  = contraction: isn't my dishwasher → is my dishwasher not
  = kept negation: Why isn't my dishwasher draining → Why does my dishwasher fail to drain
  = politeness: Why isn't my dishwasher draining? Any help would be appreciated.
  ! near words: draining → drying
  ! negation: isn't → is
  ! question word: Why → Since when

Can eggs with a cracked shell still be eaten if they're cooked for 10 minutes?
  = contraction: they're → they are
  = number words: 10 → ten
  = voice: Can I still eat eggs with a cracked shell if they're cooked for 10 minutes?
  ! numbers: 10 → 2
  ! negation: with a cracked shell → without a cracked shell
  ! units: 10 minutes → 10 seconds

When is the recycling bin emptied next, on 4 or on 11 August?
  = voice: When do they empty the recycling bin next, on 4 or on 11 August?
  = date format: 4 or on 11 August → August 4 or on August 11
  = word order: on 4 or on 11 August → on 11 or on 4 August
  ! dates: on 4 or on 11 August → on 4 or on 11 October
  ! tense: is the recycling bin emptied next → was the recycling bin emptied last
  ! topic: recycling bin → garden waste bin

How many ml of formula does a baby of 3 months get per feed?
  = number words: 3 months → three months
  ! numbers: 3 months → 9 months
  ! units: per feed → per day
  ! comparatives: How many more ml of formula does a baby of 3 months get per feed than one of 2 months?
  ! topic: formula → fennel tea

May two guinea pigs be kept in a cage of 1 square metre?
  = unit spelling: 1 square metre → 1 m²
  ! numbers: two → four
  ! units: 1 square metre → 1 square foot
  ! quantifiers: two guinea pigs → a single guinea pig
  ! modality: May two guinea pigs → Do two guinea pigs have to

Can children over 12 take two of these lozenges at once?
  = number words: 12 → twelve
  = punctuation: can children over 12 take two of these lozenges at once
  ! comparatives: over 12 → under 12
  ! numbers: two → five
  ! quantifiers: two of these lozenges → all of these lozenges
  ! antonyms: at once → one after the other

Which spare key fits model HX-310?
  = typos: Wich spare key fits modle HX-310?
  ! identifiers: HX-310 → HX-130
  ! identifiers: HX-310 → HK-310
  ! negation: fits → doesn't fit
  ! quantifiers: Which spare key fits → Does any spare key fit

How long before breakfast do I have to take the tablet, a quarter of an hour or more?
  = number words: a quarter of an hour → 15 minutes
  = nominalisation: before breakfast → before having breakfast
  = synonyms: take → swallow
  ! direction: before breakfast → after breakfast
  ! units: a quarter of an hour → a quarter of a minute
  ! names: breakfast → supper

Which vegetables don't need peeling?
  = contraction: don't → do not
  = kept negation: Which vegetables can be left unpeeled?
  = voice: Which vegetables don't I need to peel?
  ! negation: don't need → need
  ! quantifiers: Which vegetables don't → Is it true that no vegetables
  ! topic: peeling → washing

My son has a cough but no fever. Can he go to nursery?
  = reworded: Can my son, who has a cough but no fever, go to nursery?
  = kept negation: a cough but no fever → a cough without a fever
  = synonyms: Can he → Is he allowed to
  ! direction: a cough but no fever → a fever but no cough
  ! negation: but no fever → and a fever
  ! modality: Can he → Must he
  ! near words: nursery → surgery

Neither of my cats touches the new food. Has it gone off?
  = kept negation: Neither of my cats touches → Both of my cats refuse
  = synonyms: gone off → spoiled
  = word order: Has the new food gone off? Neither of my cats touches it.
  ! quantifiers: Neither of my cats touches → Only one of my cats touches
  ! antonyms: new food → old food
  ! tense: Has it gone off → Will it go off

What do I do with the paint left over from last year?
  = reworded: the paint left over → the paint that is left over
  = politeness: What do I do with the paint left over from last year? Any ideas?
  = question form: Last year's leftover paint: what to do with it?
  ! near words: paint → paste
  ! tense: What do I do → What did I do
  ! scope: left over from last year → bought for last year's fence

Does giving the lawn a feed in May make it greener by June?
  = nominalisation: giving the lawn a feed → feeding the lawn
  = word order: Does it make the lawn greener by June to feed it in May?
  = reworded: Will the lawn be greener by June if it is fed in May?
  ! topic: in May make it greener by June → in June make up for a missed one in May
  ! dates: in May → in April
  ! comparatives: greener → less green

It's the clutch that's worn out, not the gearbox. Can I still drive to the garage?
  = contraction: It's the clutch that's → It is the clutch that is
  = word order: It isn't the gearbox that's worn out but the clutch. Can I still drive to the garage?
  = reworded: The clutch rather than the gearbox is worn out. Can I still drive to the garage?
  ! direction: the clutch that's worn out, not the gearbox → the gearbox that's worn out, not the clutch
  ! question word: Can I still → Why should I
  ! negation: that's worn out, not the gearbox → that's worn out, and the gearbox too
"""
